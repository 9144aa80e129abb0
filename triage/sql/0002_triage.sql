-- Schema 2: what triage keeps beside 0001. One section for each room; the words are those of 0001.

-- --- severity: by hand, or by a rule of the owners ---

-- bug.severity and bug.severity_score are what counts: what was decided, else what the rules of
-- triage compute, which stays here beside it. store_settle_severity() keeps the two together.
ALTER TABLE bug ADD COLUMN computed_severity INTEGER NOT NULL DEFAULT 0
  CHECK (computed_severity BETWEEN 0 AND 4);
ALTER TABLE bug ADD COLUMN computed_score REAL NOT NULL DEFAULT 0
  CHECK (computed_score BETWEEN 0 AND 10);
UPDATE bug SET computed_severity = severity, computed_score = severity_score;

-- A hand's decision is above an owner's rule. Never touched by triage.
CREATE TABLE severity_override (
  bug INTEGER NOT NULL REFERENCES bug,
  origin TEXT NOT NULL CHECK (origin IN ('hand', 'rule')),
  severity INTEGER NOT NULL CHECK (severity BETWEEN 0 AND 4),
  actor TEXT NOT NULL,  -- who typed it, or which rule
  reason TEXT NOT NULL CHECK (reason <> ''),
  at INTEGER NOT NULL,
  PRIMARY KEY (bug, origin)
) STRICT, WITHOUT ROWID;

-- The rules of nightjar.yaml as they were read last, in their order: the first that matches.
-- Patterns are PCRE2; NULL matches everything.
CREATE TABLE severity_rule (
  id INTEGER PRIMARY KEY,
  target TEXT,
  crash_type TEXT,
  function TEXT,
  file TEXT,
  severity INTEGER NOT NULL CHECK (severity BETWEEN 0 AND 4),
  reason TEXT NOT NULL CHECK (reason <> ''),
  origin TEXT NOT NULL -- "nightjar.yaml:12"
) STRICT;

-- --- groups: pins, merges, splits ---

-- Where a crash belongs by its own evidence, where that is a bug that is a duplicate of
-- crash.bug: what undoing a merge goes back to. NULL: crash.bug.
ALTER TABLE crash ADD COLUMN home INTEGER REFERENCES bug;

-- Decisions by hand, asked before any rule of grouping (store_group.c). These bytes belong to
-- this bug, in whichever target they crash.
CREATE TABLE pin (
  blob INTEGER PRIMARY KEY REFERENCES blob,
  bug INTEGER NOT NULL REFERENCES bug,
  actor TEXT NOT NULL,
  reason TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX pin_bug ON pin (bug);

-- Crashes of a target with this exact stack belong to this bug: what a split left behind.
CREATE TABLE split (
  version INTEGER NOT NULL,
  minor TEXT NOT NULL,
  target INTEGER NOT NULL REFERENCES target,
  bug INTEGER NOT NULL REFERENCES bug,
  actor TEXT NOT NULL,
  reason TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (version, minor, target)
) STRICT, WITHOUT ROWID;
CREATE INDEX split_bug ON split (bug);

CREATE INDEX bug_duplicate ON bug (duplicate_of) WHERE duplicate_of IS NOT NULL;

-- The frames of each bug's crash state: which bugs share one (similar bugs, and those that an
-- older signature found). Kept by store_frames_put(); main and the like are in none.
CREATE TABLE bug_frame (
  frame TEXT NOT NULL,
  bug INTEGER NOT NULL REFERENCES bug,
  PRIMARY KEY (frame, bug)
) STRICT, WITHOUT ROWID;
CREATE INDEX bug_frame_bug ON bug_frame (bug);
WITH RECURSIVE part(bug, line, rest) AS (
  SELECT id, NULL, rtrim(crash_state, char(10)) || char(10) FROM bug
  UNION ALL
  SELECT bug, substr(rest, 1, instr(rest, char(10)) - 1), substr(rest, instr(rest, char(10)) + 1)
    FROM part WHERE rest <> ''
)
INSERT INTO bug_frame SELECT DISTINCT line, bug FROM part
  WHERE line NOT IN ('', 'NULL', 'main', 'LLVMFuzzerTestOneInput', '_start', '__libc_start_main');

-- --- signature: places, which divide and join what one signature covers ---

-- Which bug a place (triage/place.h) stands for, target by target. Looked up before `signature`,
-- which keeps the first bug of each hash.major, for crashes whose place is unknown.
CREATE TABLE place (
  id INTEGER PRIMARY KEY,
  version INTEGER NOT NULL,
  key TEXT NOT NULL, -- the first 40 digits of the SHA-256 of the text: a text may be long
  target INTEGER NOT NULL REFERENCES target,
  text TEXT NOT NULL,
  bug INTEGER NOT NULL REFERENCES bug,
  why TEXT NOT NULL, -- a sentence for `show`
  first_seen INTEGER NOT NULL,
  UNIQUE (version, key, target)
) STRICT;
CREATE INDEX place_bug ON place (bug, target);
ALTER TABLE crash ADD COLUMN place INTEGER REFERENCES place;

-- --- backlog: found before nightjar looked, or by somebody else ---

-- No alert and no deadline. A bug is backlog as long as all its crashes are; while it is, its
-- events go to no sink.
ALTER TABLE crash ADD COLUMN backlog INTEGER NOT NULL DEFAULT 0 CHECK (backlog IN (0, 1));
ALTER TABLE bug ADD COLUMN backlog INTEGER NOT NULL DEFAULT 0 CHECK (backlog IN (0, 1));
ALTER TABLE event ADD COLUMN quiet INTEGER NOT NULL DEFAULT 0 CHECK (quiet IN (0, 1));

-- --- examples: what of a bug's crashes is kept ---

-- What this state is run with, as the last triage or fuzz read it in nightjar.yaml.
CREATE TABLE setting (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The crashes that keep record, report and bytes: the first of each exact stack and the first of
-- each source, bounded (store_example.c says by what); and the smallest and newest that the last
-- trim saw, which keep their bytes.
CREATE TABLE example (
  bug INTEGER NOT NULL REFERENCES bug,
  kind TEXT NOT NULL CHECK (kind IN ('stack', 'source', 'smallest', 'newest')),
  name TEXT NOT NULL, -- hash.minor, the source, ''
  crash INTEGER NOT NULL REFERENCES crash,
  PRIMARY KEY (bug, kind, name)
) STRICT, WITHOUT ROWID;
INSERT INTO example SELECT c.bug, 'stack', c.minor, min(c.id) FROM record r
  JOIN crash c ON c.id = r.crash WHERE c.bug IS NOT NULL GROUP BY c.bug, c.minor;
-- Crashes of the bug up to this row were weighed: what is no example has no bytes any more.
ALTER TABLE bug ADD COLUMN trimmed INTEGER NOT NULL DEFAULT 0;
-- how many crashes it had then
ALTER TABLE bug ADD COLUMN trimmed_crashes INTEGER NOT NULL DEFAULT 0;
CREATE INDEX bug_original ON bug (original);
CREATE INDEX bug_reproducer ON bug (reproducer);

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
  place INTEGER NOT NULL DEFAULT 0, -- in the order in which they are tried
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
