-- Schema 8: how well the fuzzers, a security control, were running; when a message was delivered.

-- Minutes in which a target was to be fuzzed, in runs of the same result; a run is no longer than
-- an hour, so that a window is cut nearly exactly. Minutes in which nobody meant to fuzz it are in
-- none.
CREATE TABLE control (
  target INTEGER NOT NULL REFERENCES target,
  began INTEGER NOT NULL,  -- its first minute, since 1970
  slices INTEGER NOT NULL CHECK (slices BETWEEN 1 AND 60),
  cause TEXT NOT NULL, -- why they were bad; '': they were good
  scheduled_ms INTEGER NOT NULL CHECK (scheduled_ms >= 0), -- time of workers, meant and used
  productive_ms INTEGER NOT NULL CHECK (productive_ms BETWEEN 0 AND scheduled_ms),
  PRIMARY KEY (target, began)
) STRICT, WITHOUT ROWID;

-- NULL: not yet, to nobody (the sink does not want it, it was dropped), or before this column was
ALTER TABLE outbox ADD COLUMN sent INTEGER;
CREATE INDEX outbox_sent ON outbox (sent) WHERE sent IS NOT NULL;
