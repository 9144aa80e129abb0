-- Schema 5: when a bug was seen, and when it was filed.

-- bug.first_seen and bug.last_seen are when its crashes were found, the times of their files
-- (crash.written); of backlog, which others found, when it came here (crash.first_seen). `filed`
-- is when the bug came into the ledger: deadlines and the breach budget run from there, since
-- nobody could know of it before, and since a file's time is whatever its writer made it.
ALTER TABLE bug ADD COLUMN filed INTEGER NOT NULL DEFAULT 0;
UPDATE bug SET filed = first_seen;
UPDATE bug SET first_seen = seen.first, last_seen = seen.last FROM
  (SELECT bug, min(iif(backlog, first_seen, written)) AS first,
     max(iif(backlog, first_seen, written)) AS last
     FROM crash WHERE bug IS NOT NULL GROUP BY bug) AS seen
  WHERE seen.bug = bug.id;

DROP TRIGGER crash_changed_bug;
CREATE TRIGGER crash_changed_bug AFTER UPDATE OF bug ON crash WHEN old.bug IS NOT new.bug
BEGIN
  UPDATE bug SET crashes = crashes - 1 WHERE id = old.bug;
  UPDATE bug SET crashes = crashes + 1, filed = min(filed, new.first_seen),
      first_seen = min(first_seen, iif(new.backlog, new.first_seen, new.written)),
      last_seen = max(last_seen, iif(new.backlog, new.first_seen, new.written))
    WHERE id = new.bug;
END;
