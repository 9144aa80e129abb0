-- Schema 4: what a target's corpus reaches, measured on its coverage build, over time.

CREATE TABLE coverage (
  id INTEGER PRIMARY KEY,
  target INTEGER NOT NULL REFERENCES target,
  at INTEGER NOT NULL,
  build_id TEXT NOT NULL, -- of the coverage build, hex; '' where it has none
  corpus TEXT NOT NULL,   -- SHA-256 of the sorted SHA-256s of its inputs
  inputs INTEGER NOT NULL,
  failed INTEGER NOT NULL CHECK (failed BETWEEN 0 AND inputs), -- of them, that ended without a profile
  lines INTEGER NOT NULL,
  lines_covered INTEGER NOT NULL CHECK (lines_covered BETWEEN 0 AND lines),
  functions INTEGER NOT NULL,
  functions_covered INTEGER NOT NULL CHECK (functions_covered BETWEEN 0 AND functions),
  regions INTEGER NOT NULL,
  regions_covered INTEGER NOT NULL CHECK (regions_covered BETWEEN 0 AND regions)
) STRICT;
CREATE INDEX coverage_target ON coverage (target, id);

CREATE TABLE coverage_file (
  coverage INTEGER NOT NULL REFERENCES coverage,
  name TEXT NOT NULL,
  lines INTEGER NOT NULL,
  lines_covered INTEGER NOT NULL,
  functions INTEGER NOT NULL,
  functions_covered INTEGER NOT NULL,
  regions INTEGER NOT NULL,
  regions_covered INTEGER NOT NULL,
  PRIMARY KEY (coverage, name)
) STRICT, WITHOUT ROWID;
