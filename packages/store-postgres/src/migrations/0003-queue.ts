import type { Migration } from './migration.ts';

// Frozen, as 0001 is.

export const queue: Migration = {
  id: 3,
  name: 'queue',
  sql: `
-- What queued operations carry besides. Tables of their own, so that the hot row stays narrow and its updates HOT. No
-- foreign keys: they would lock the operation's row for every write here.

-- What a worker needs to run an operation in its caller's place. There from acceptance until it is settled.
CREATE TABLE {schema}.work (
  operation_id      text COLLATE "C" NOT NULL,
  principal         text NOT NULL,
  input             text NOT NULL,
  dead_letter_owner text,
  -- When a worker may start it (again); one that starts it earlier brings this forward. What healing walks.
  due_at            timestamptz NOT NULL,
  last_error        text,
  CONSTRAINT work_once PRIMARY KEY (operation_id)
);
CREATE INDEX work_due ON {schema}.work (due_at, operation_id);

-- How far an attempt has come: the last word, not a history.
CREATE TABLE {schema}.progress (
  operation_id text COLLATE "C" NOT NULL,
  attempt      integer NOT NULL,
  value        text NOT NULL,
  at           timestamptz NOT NULL,
  CONSTRAINT progress_once PRIMARY KEY (operation_id)
) WITH (fillfactor = 80);

-- Who decided about an operation that couldn't go on by itself, and why. As old as the operation itself.
CREATE TABLE {schema}.decision (
  operation_id text COLLATE "C" NOT NULL,
  seq          integer NOT NULL,
  action       text NOT NULL,
  at           timestamptz NOT NULL,
  actor        text NOT NULL,
  reason       text NOT NULL,
  trace_id     text,
  -- Made for one call: a decision whose acknowledgement got lost is recognised.
  token        text NOT NULL,
  CONSTRAINT decision_order PRIMARY KEY (operation_id, seq),
  CONSTRAINT decision_action CHECK (action IN ('resolved', 'redriven', 'released', 'cancelled')),
  CONSTRAINT decision_says_who_and_why CHECK (actor <> '' AND reason <> '')
);
CREATE TRIGGER decision_append_only BEFORE UPDATE OR DELETE ON {schema}.decision
  FOR EACH ROW EXECUTE FUNCTION {schema}.refuse_change();
CREATE TRIGGER decision_never_truncated BEFORE TRUNCATE ON {schema}.decision
  FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change();

-- What waits for a decision now, of any mode: suspended and dead. An index over operation.state would do, and would end
-- HOT updates.
CREATE TABLE {schema}.attention (
  operation_id text COLLATE "C" NOT NULL,
  since        timestamptz NOT NULL,
  offered_at   timestamptz NOT NULL DEFAULT '-infinity',
  CONSTRAINT attention_once PRIMARY KEY (operation_id)
) WITH (fillfactor = 80);
CREATE INDEX attention_since ON {schema}.attention (since, operation_id);

-- Keeps both in step with the state, whoever changes it: also a server of an older version, and a person. A leased attempt
-- that settles isn't concerned, and pays for the look at the condition only (measured: 7 microseconds a statement, of 400 for
-- a settlement and its commit). What leaves attention by being settled or released is removed by the statement that decides.
CREATE FUNCTION {schema}.keep_in_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.state IN ('suspended', 'dead') THEN
    INSERT INTO {schema}.attention (operation_id, since) VALUES (NEW.operation_id, NEW.updated_at)
    ON CONFLICT DO NOTHING;
  ELSIF OLD.state IN ('suspended', 'dead') THEN
    DELETE FROM {schema}.attention a WHERE a.operation_id = OLD.operation_id;
  END IF;
  IF NEW.state IN ('completed', 'failed') THEN
    DELETE FROM {schema}.work w WHERE w.operation_id = NEW.operation_id;
  END IF;
  RETURN NULL;
END $$;
-- Last, because it locks the table against writes until the commit.
CREATE TRIGGER operation_in_step AFTER UPDATE OF state ON {schema}.operation FOR EACH ROW
  WHEN (NEW.mode = 'queued' OR NEW.expires_at IS NULL) EXECUTE FUNCTION {schema}.keep_in_step();
`,
};
