-- Schema 1. Times are wall-clock milliseconds UTC, severities the numbers of enum severity
-- (0 info ... 4 critical), flags 0 or 1, names and paths escaped so that they round-trip.
-- What can be counted from rows is kept by triggers, so that no writer can forget it; what is
-- counted for ever (counter) is added to in the transaction that it counts. JSON is not checked
-- by constraints: connections do not trust the schema (PRAGMA trusted_schema) with json_valid().

CREATE TABLE target (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE CHECK (name <> ''),
  command TEXT, -- JSON: how one input is replayed; NULL where there are only reports
  settings TEXT NOT NULL, -- JSON
  program TEXT NOT NULL, -- what the command's program looked like: a rebuilt one is tried anew
  -- broken: the last replay never truly ran. The bugs of a target whose replays are broken are
  -- not gone, they are not looked for, so this is a state with events.
  replay TEXT NOT NULL DEFAULT 'ok' CHECK (replay IN ('ok', 'broken')),
  first_seen INTEGER NOT NULL
) STRICT;

CREATE TABLE build (
  id INTEGER PRIMARY KEY,
  target INTEGER NOT NULL REFERENCES target,
  kind TEXT NOT NULL CHECK (kind IN ('afl', 'cmplog', 'sanitizer', 'libfuzzer', 'coverage')),
  path TEXT NOT NULL,
  build_id TEXT NOT NULL DEFAULT '', -- hex; '' where the file has none
  first_seen INTEGER NOT NULL,
  UNIQUE (target, kind, path, build_id)
) STRICT;

-- Bytes by content. The row is written after the file blobs/ab/abcd... is safe on the disk and
-- before anything refers to it; a file without a row is an orphan that may go.
CREATE TABLE blob (
  id INTEGER PRIMARY KEY, -- what other tables hold: 64 hex digits in each index cost too much
  sha256 TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64 AND sha256 NOT GLOB '*[^0-9a-f]*'),
  bytes INTEGER NOT NULL CHECK (bytes >= 0),         -- plain
  stored_bytes INTEGER NOT NULL CHECK (stored_bytes >= 0), -- of the file
  -- dropped: a surplus duplicate's file was removed on purpose; the name is still known, so that
  -- the same bytes are not taken for something new
  state TEXT NOT NULL DEFAULT 'present' CHECK (state IN ('present', 'dropped'))
) STRICT;

-- One input that made one target fail, once. Never deleted: a file that comes again is known.
CREATE TABLE crash (
  id INTEGER PRIMARY KEY,
  target INTEGER NOT NULL REFERENCES target,
  blob INTEGER NOT NULL REFERENCES blob,
  is_report INTEGER NOT NULL CHECK (is_report IN (0, 1)), -- the blob is a report's text
  source TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'queued'
    CHECK (state IN ('queued', 'triaged', 'unparsed', 'untriageable', 'broken')),
  bug INTEGER REFERENCES bug,
  reproducibility TEXT NOT NULL DEFAULT 'unknown'
    CHECK (reproducibility IN ('reliable', 'flaky', 'unreproducible', 'unknown')),
  outcome TEXT CHECK (outcome IN ('crash', 'clean', 'timeout', 'broken', 'unparsed')),
  k INTEGER NOT NULL DEFAULT 0 CHECK (k >= 0 AND k <= n), -- runs that showed it
  n INTEGER NOT NULL DEFAULT 0 CHECK (n >= 0),            -- runs
  major TEXT, -- hash.major, hash.minor and their version
  minor TEXT,
  version INTEGER,
  reason TEXT, -- for a person: why it is broken, untriageable or without a bug
  report INTEGER REFERENCES blob, -- the raw text; only the first examples of a bug keep theirs
  -- how often it was handed out, and how often the worker died of it. They differ when a
  -- supervisor is killed, for which the input is not to blame.
  attempts INTEGER NOT NULL DEFAULT 0,
  deaths INTEGER NOT NULL DEFAULT 0,
  written INTEGER NOT NULL,    -- the file's own time, never in the future: when it was found
  first_seen INTEGER NOT NULL, -- when it came into the ledger
  triaged INTEGER,
  -- a report may be given as an input by mistake and correctly later: two crashes
  UNIQUE (target, blob, is_report),
  CHECK (bug IS NULL OR state IN ('triaged', 'unparsed')),
  CHECK (state <> 'unparsed' OR bug IS NOT NULL),
  CHECK (bug IS NULL OR major IS NOT NULL)
) STRICT;
-- most rows end as triaged, and cost this index nothing then
CREATE INDEX crash_unusual ON crash (state, id) WHERE state <> 'triaged';
CREATE INDEX crash_bug ON crash (bug, id) WHERE bug IS NOT NULL;
CREATE INDEX crash_report ON crash (report) WHERE report IS NOT NULL;
-- what a changed command gives a second chance to
CREATE INDEX crash_bugless ON crash (target, state) WHERE bug IS NULL AND state <> 'queued';

-- Each path under which the bytes were given: what `bugs --crashes` lists, in this order.
CREATE TABLE crash_path (
  id INTEGER PRIMARY KEY,
  crash INTEGER NOT NULL REFERENCES crash,
  path TEXT NOT NULL,
  UNIQUE (crash, path)
) STRICT;

-- Parsed reports. Apart from `crash`, since they are a hundred times as large and rarely read;
-- only the first examples of a bug, and what stands for it, keep theirs.
CREATE TABLE record (
  crash INTEGER PRIMARY KEY REFERENCES crash,
  json TEXT NOT NULL
) STRICT;

CREATE TABLE bug (
  -- NJ-12 was told to people: AUTOINCREMENT never gives a number away twice
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  state TEXT NOT NULL DEFAULT 'new'
    CHECK (state IN ('new', 'open', 'fixing', 'fixed', 'regressed', 'ignored', 'wontfix',
                     'duplicate')),
  duplicate_of INTEGER REFERENCES bug,
  target INTEGER NOT NULL REFERENCES target, -- where it was seen first; others: `signature`
  crash INTEGER NOT NULL REFERENCES crash,   -- what stands for it: severity and stack are its
  signature TEXT NOT NULL,                   -- hash.major of the first crash
  crash_type TEXT NOT NULL,
  crash_state TEXT NOT NULL,
  sanitizer TEXT NOT NULL,
  severity INTEGER NOT NULL CHECK (severity BETWEEN 0 AND 4),
  severity_score REAL NOT NULL CHECK (severity_score BETWEEN 0 AND 10),
  security INTEGER NOT NULL CHECK (security IN (0, 1)),
  class TEXT NOT NULL,
  exploitability TEXT NOT NULL,
  cwe TEXT NOT NULL,
  original INTEGER NOT NULL REFERENCES blob,   -- the first input, always kept
  reproducer INTEGER NOT NULL REFERENCES blob, -- the smallest known
  -- none: nothing to minimize (a report, one byte, not reliable); given_up: see the events
  minimize TEXT NOT NULL CHECK (minimize IN ('none', 'waiting', 'done', 'given_up')),
  minimize_attempts INTEGER NOT NULL DEFAULT 0,
  minimize_deaths INTEGER NOT NULL DEFAULT 0,
  crashes INTEGER NOT NULL DEFAULT 0, -- kept by trigger
  first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL,
  CHECK ((state = 'duplicate') = (duplicate_of IS NOT NULL))
) STRICT;
CREATE INDEX bug_worst ON bug (severity, security, severity_score);
CREATE INDEX bug_minimize ON bug (minimize, severity, severity_score) WHERE minimize = 'waiting';

-- Which bug a signature stands for, target by target: two programs may share a library's bug or
-- only the names of their functions (triage/cluster.h decides). Has the last word over hashes.
CREATE TABLE signature (
  version INTEGER NOT NULL,
  major TEXT NOT NULL,
  target INTEGER NOT NULL REFERENCES target,
  bug INTEGER NOT NULL REFERENCES bug,
  why TEXT NOT NULL, -- a sentence for `show`
  first_seen INTEGER NOT NULL,
  PRIMARY KEY (version, major, target)
) STRICT, WITHOUT ROWID;
CREATE INDEX signature_bug ON signature (bug, target);

CREATE TABLE campaign (
  id INTEGER PRIMARY KEY,
  arguments TEXT NOT NULL, -- JSON
  started INTEGER NOT NULL,
  ended INTEGER, -- NULL: it runs, or was killed
  how TEXT,
  CHECK ((ended IS NULL) = (how IS NULL))
) STRICT;

CREATE TABLE worker (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  campaign INTEGER NOT NULL REFERENCES campaign, -- the last one
  target INTEGER NOT NULL REFERENCES target,
  engine TEXT NOT NULL,
  state TEXT NOT NULL
    CHECK (state IN ('starting', 'running', 'frozen', 'slow', 'backoff', 'quarantined',
                     'plateaued', 'paused', 'finished', 'dead')),
  reason TEXT,
  pid INTEGER NOT NULL,
  restarts INTEGER NOT NULL,
  execs INTEGER NOT NULL,
  execs_per_sec REAL NOT NULL,
  edges INTEGER NOT NULL,
  corpus INTEGER NOT NULL,
  productive_ms INTEGER NOT NULL,
  updated INTEGER NOT NULL
) STRICT;

-- History: every change of a bug, worker, target, campaign and verdict, and each crash that did
-- not simply join a bug. The last `to_state` of a subject is its state; `db check` replays them.
CREATE TABLE event (
  id INTEGER PRIMARY KEY AUTOINCREMENT, -- readers ask for what is new since a number
  at INTEGER NOT NULL,
  kind TEXT NOT NULL CHECK (kind <> ''),
  subject TEXT NOT NULL CHECK (subject <> ''),
  subject_id INTEGER NOT NULL,
  from_state TEXT,
  to_state TEXT,
  actor TEXT NOT NULL, -- "nightjar", or who typed it
  detail TEXT -- JSON
) STRICT;
CREATE INDEX event_subject ON event (subject, subject_id, id);
CREATE INDEX event_kind ON event (kind, id);
CREATE TRIGGER event_is_history BEFORE UPDATE ON event
BEGIN
  SELECT RAISE(ABORT, 'an event is history: it does not change');
END;

CREATE TABLE sink (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  config TEXT NOT NULL, -- JSON
  since INTEGER NOT NULL, -- the last event before it was made: it gets what comes after
  created INTEGER NOT NULL
) STRICT;

-- What a sink has yet to be told, written with the event, so that neither is without the other.
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  sink INTEGER NOT NULL REFERENCES sink,
  event INTEGER NOT NULL REFERENCES event,
  state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'dead')),
  tries INTEGER NOT NULL DEFAULT 0,
  next_try INTEGER NOT NULL,
  UNIQUE (event, sink)
) STRICT;
CREATE INDEX outbox_due ON outbox (sink, next_try) WHERE state = 'pending';

-- Totals that only grow, for metrics: rows may go one day, these stay. Labels are a JSON object.
CREATE TABLE counter (
  name TEXT NOT NULL,
  labels TEXT NOT NULL,
  value INTEGER NOT NULL CHECK (value >= 0),
  PRIMARY KEY (name, labels)
) STRICT, WITHOUT ROWID;

-- How many crashes are in which state: counting a million rows for each `status` is too slow.
CREATE TABLE crash_count (
  target INTEGER NOT NULL REFERENCES target,
  state TEXT NOT NULL,
  n INTEGER NOT NULL CHECK (n >= 0),
  PRIMARY KEY (target, state)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER crash_added AFTER INSERT ON crash
BEGIN
  INSERT INTO crash_count VALUES (new.target, new.state, 1)
    ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER crash_changed_state AFTER UPDATE OF state ON crash WHEN old.state <> new.state
BEGIN
  UPDATE crash_count SET n = n - 1 WHERE target = old.target AND state = old.state;
  INSERT INTO crash_count VALUES (new.target, new.state, 1)
    ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER crash_changed_bug AFTER UPDATE OF bug ON crash WHEN old.bug IS NOT new.bug
BEGIN
  UPDATE bug SET crashes = crashes - 1 WHERE id = old.bug;
  UPDATE bug SET crashes = crashes + 1, last_seen = max(last_seen, new.first_seen)
    WHERE id = new.bug;
END;
