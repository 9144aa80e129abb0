-- Schema 7: which builds there are, and what people decide about a bug until when.

-- --- builds ---

-- A state of the source that was built (triage/revision.h). By `at`, when it was committed,
-- builds are older and newer, whenever they came here.
CREATE TABLE revision (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  commit_id TEXT NOT NULL CHECK (commit_id <> ''), -- or whatever its folder is called
  branch TEXT NOT NULL DEFAULT '',
  release TEXT NOT NULL DEFAULT '', -- '' as long as it is none
  at INTEGER NOT NULL,
  folder TEXT NOT NULL, -- where its programs lay
  added INTEGER NOT NULL,
  UNIQUE (commit_id, branch)
) STRICT;
CREATE INDEX revision_folder ON revision (folder);

-- Its programs. One of the same build id in several revisions is the same code. A target is a
-- name: it may be built long before anything is run on it.
CREATE TABLE program (
  revision INTEGER NOT NULL REFERENCES revision,
  target TEXT NOT NULL CHECK (target <> ''),
  kind TEXT NOT NULL CHECK (kind IN ('afl', 'cmplog', 'sanitizer', 'libfuzzer', 'coverage',
                                     'release')),
  build_id TEXT NOT NULL CHECK (build_id <> ''), -- one without is not told apart: it is in no row
  path TEXT NOT NULL,
  PRIMARY KEY (revision, target, kind, build_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX program_build ON program (build_id);

-- Programs with a copy in STATE/builds (triage/kept.h).
CREATE TABLE kept (
  build_id TEXT PRIMARY KEY CHECK (build_id NOT GLOB '*[^0-9a-f]*'),
  name TEXT NOT NULL, -- of the program's file, in its folder
  bytes INTEGER NOT NULL CHECK (bytes >= 0), -- of all that was copied with it
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX build_build_id ON build (build_id);
CREATE INDEX replay_build ON replay (build);

-- --- what people decide about a bug ---

-- When it was looked at first, said to be in work last, and seen clean last (0: never).
ALTER TABLE bug ADD COLUMN acknowledged INTEGER NOT NULL DEFAULT 0;
ALTER TABLE bug ADD COLUMN claimed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE bug ADD COLUMN verified INTEGER NOT NULL DEFAULT 0;
UPDATE bug SET acknowledged = coalesce((SELECT min(at) FROM event WHERE subject = 'bug'
    AND subject_id = bug.id AND actor <> 'nightjar'), 0),
  claimed = coalesce((SELECT max(at) FROM event WHERE subject = 'bug' AND subject_id = bug.id
    AND kind = 'bug.state' AND to_state = 'fixing'), 0),
  verified = coalesce((SELECT max(at) FROM event WHERE subject = 'bug' AND subject_id = bug.id
    AND kind = 'bug.verify' AND json_extract(detail, '$.result') = 'clean'), 0);

-- What is ignored, or accepted (wontfix), comes back by itself: at this time, once it has so
-- many crashes, when its severity is above this. NULL: not for that reason.
ALTER TABLE bug ADD COLUMN until_at INTEGER;
ALTER TABLE bug ADD COLUMN until_crashes INTEGER;
ALTER TABLE bug ADD COLUMN until_severity INTEGER CHECK (until_severity BETWEEN 0 AND 4);
CREATE INDEX bug_until ON bug (state, until_at)
  WHERE state IN ('ignored', 'wontfix');

-- Whose it is: names as CODEOWNERS writes them, and who says so: "hand" or "CODEOWNERS:12".
ALTER TABLE bug ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE bug ADD COLUMN owner_origin TEXT NOT NULL DEFAULT '';

-- The rules as they were read last, in their order: the last that matches decides.
CREATE TABLE owner_rule (
  id INTEGER PRIMARY KEY,
  target TEXT,         -- of this one alone, where no pattern matches: T.owners
  pattern TEXT,        -- of the path of the frame that counts, below `root`
  root TEXT NOT NULL,  -- folders of the source, one a line
  owners TEXT NOT NULL, -- '': nobody's
  origin TEXT NOT NULL,
  CHECK ((target IS NULL) <> (pattern IS NULL))
) STRICT;
