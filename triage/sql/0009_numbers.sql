-- Schema 9: what else an engine says of its run.

-- How many edges its target has in all, as it counts them; 0: it does not say.
ALTER TABLE worker ADD COLUMN edges_known INTEGER NOT NULL DEFAULT 0 CHECK (edges_known >= 0);
-- The share of edges that an input reaches in every run alike, 0 to 1; NULL: it does not say.
ALTER TABLE worker ADD COLUMN stability REAL CHECK (stability BETWEEN 0 AND 1);
