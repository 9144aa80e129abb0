-- Schema 10: folders that are watched for builds, and when a program came.

-- A sub-folder of one that is watched, as it was when it was read last. By its own name: two of
-- one commit are one revision, which has room for one folder.
CREATE TABLE watched (
  folder TEXT PRIMARY KEY, -- escaped
  stamp INTEGER NOT NULL,  -- when it, or what it says of itself, was changed last, ms
  note TEXT NOT NULL       -- what is wrong with it; '': nothing
) STRICT, WITHOUT ROWID;
INSERT INTO watched SELECT DISTINCT folder, 0, '' FROM revision;

-- A commit that is built again has further programs: the newest is meant.
ALTER TABLE program ADD COLUMN added INTEGER NOT NULL DEFAULT 0;
UPDATE program SET added = (SELECT added FROM revision WHERE id = program.revision);
