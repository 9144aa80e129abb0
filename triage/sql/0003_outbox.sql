-- Schema 3: delivery of events.

-- A sink that nightjar.yaml no longer names is told nothing new; what it has yet to be told waits.
ALTER TABLE sink ADD COLUMN active INTEGER NOT NULL DEFAULT 1 CHECK (active IN (0, 1));
-- why the last try failed, for `nightjar outbox`
ALTER TABLE outbox ADD COLUMN error TEXT;
CREATE INDEX outbox_waiting ON outbox (sink, state, id) WHERE state <> 'sent';
