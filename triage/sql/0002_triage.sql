-- Schema 2: what triage keeps beside 0001. One section for each room; the words are those of 0001.

-- --- severity: by hand, or by a rule of the owners ---

-- --- groups: pins, merges, splits ---

-- --- replays: how often, on which build ---

-- 0001's table had no writer. `command` makes a build one that an input can be replayed on, and
-- `current` is 0 once the target is registered without it: only its history is left then.
DROP TABLE build;
CREATE TABLE build (
  id INTEGER PRIMARY KEY,
  target INTEGER NOT NULL REFERENCES target,
  -- release: what is shipped; given: a command that a person wrote
  kind TEXT NOT NULL CHECK (kind IN ('afl', 'cmplog', 'sanitizer', 'libfuzzer', 'coverage',
                                     'release', 'given')),
  path TEXT NOT NULL,
  build_id TEXT NOT NULL DEFAULT '', -- hex; '' where the file has none
  command TEXT, -- JSON: how one input is replayed on it; NULL: it is not
  current INTEGER NOT NULL DEFAULT 1 CHECK (current IN (0, 1)),
  first_seen INTEGER NOT NULL,
  UNIQUE (target, kind, path, build_id)
) STRICT;

-- What an input did on one build, the last time: n runs, k of them as the outcome says.
CREATE TABLE replay (
  crash INTEGER NOT NULL REFERENCES crash,
  build INTEGER NOT NULL REFERENCES build,
  outcome TEXT NOT NULL CHECK (outcome IN ('crash', 'clean', 'timeout', 'broken', 'unparsed')),
  major TEXT, -- the signature that k of its runs showed there; NULL: none, or it was not asked for
  k INTEGER NOT NULL CHECK (k >= 0 AND k <= n),
  n INTEGER NOT NULL CHECK (n > 0),
  at INTEGER NOT NULL,
  PRIMARY KEY (crash, build)
) STRICT, WITHOUT ROWID;
