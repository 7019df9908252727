import type { Migration } from './migration.ts';

// Frozen: its checksum is kept where it was applied. A change of the schema is a new migration, never an edit.
// Two CHECKs repeat the contract's states and transitions; a test compares them with its table.

export const operations: Migration = {
  id: 1,
  name: 'operations',
  sql: `
-- Domains rather than CHECKs for what one column may hold: Postgres reads the tree of a CHECK anew for every statement
-- that writes the table (measured: 10 microseconds each), that of a domain once per session.
CREATE DOMAIN {schema}.operation_state AS text
  CONSTRAINT operation_state CHECK (value IN ('accepted', 'processing', 'released', 'suspended', 'dead', 'completed', 'failed'));
CREATE DOMAIN {schema}.operation_mode AS text CONSTRAINT operation_mode CHECK (value IN ('atomic', 'leased', 'queued'));
CREATE DOMAIN {schema}.on_crash AS text CONSTRAINT on_crash CHECK (value IN ('suspend', 'resume'));

-- One row per (scope, procedure, key). Narrow and hot: no index, nor a partial index's predicate, names state,
-- lease_until or expires_at, so that renewals and settlements are HOT updates. fillfactor leaves room for them.
CREATE TABLE {schema}.operation (
  scope                text COLLATE "C" NOT NULL,
  procedure            text COLLATE "C" NOT NULL,
  key                  text COLLATE "C" NOT NULL,
  operation_id         text COLLATE "C" NOT NULL,
  state                {schema}.operation_state NOT NULL,
  attempt              integer NOT NULL,
  -- Transactions of this attempt whose COMMIT got no answer and that were then declared rolled back: a late packet
  -- of theirs names an older epoch and is refused.
  epoch                integer NOT NULL DEFAULT 0,
  owner                text NOT NULL,
  fingerprint          text NOT NULL,
  -- Accepted transitions so far; the seq of the last one.
  version              integer NOT NULL,
  -- The policy that it was claimed under: recovery obeys this. Numbers as JavaScript holds them.
  mode                 {schema}.operation_mode NOT NULL,
  on_crash             {schema}.on_crash NOT NULL,
  lease_ms             double precision NOT NULL,
  max_run_ms           double precision NOT NULL,
  max_attempts         double precision NOT NULL,
  downstream_window_ms double precision NOT NULL,
  ttl_ms               double precision NOT NULL,
  -- The first transition lives here, in the row that it made: an atomic operation is one row and one commit.
  created_at           timestamptz NOT NULL,
  first_actor          text NOT NULL,
  first_trace_id       text,
  updated_at           timestamptz NOT NULL,
  first_claimed_at     timestamptz NOT NULL,
  -- Set by every write that makes the operation processing: what the orphan sweep walks.
  claimed_at           timestamptz,
  lease_until          timestamptz,
  expires_at           timestamptz,
  outcome              text,
  CONSTRAINT operation_identity PRIMARY KEY (scope, procedure, key),
  CONSTRAINT operation_id_unique UNIQUE (operation_id),
  CONSTRAINT operation_lease_while_processing CHECK ((state = 'processing') = (lease_until IS NOT NULL)),
  CONSTRAINT operation_expires_once_over CHECK ((state = ANY ('{completed,failed,released}')) = (expires_at IS NOT NULL)),
  CONSTRAINT operation_outcome_once_settled CHECK ((state = ANY ('{completed,failed}')) = (outcome IS NOT NULL))
) WITH (fillfactor = 80);

CREATE INDEX operation_claimed ON {schema}.operation (claimed_at, operation_id) WHERE mode <> 'atomic';

-- What happened after the first transition, in order. Written in the same statement as the change that it tells of.
CREATE TABLE {schema}.transition (
  operation_id text COLLATE "C" NOT NULL,
  seq          integer NOT NULL,
  from_state   text,
  to_state     text NOT NULL,
  attempt      integer NOT NULL,
  cause        text NOT NULL,
  at           timestamptz NOT NULL,
  actor        text NOT NULL,
  trace_id     text,
  CONSTRAINT transition_order PRIMARY KEY (operation_id, seq),
  -- Edge and cause as one text: Postgres reads a CHECK's tree anew for every statement, and that of 24 row
  -- comparisons took longer than the rest of the insert (measured: 230 against 120 microseconds).
  CONSTRAINT transition_allowed CHECK ((coalesce(from_state, 'absent') || ' ' || coalesce(to_state, '') || ' ' || coalesce(cause, '')) = ANY ('{
    absent processing claimed,
    released processing claimed,
    absent accepted enqueued,
    absent completed succeeded,
    absent failed failed,
    released completed succeeded,
    released failed failed,
    accepted processing started,
    accepted failed cancelled,
    processing completed succeeded,
    processing failed failed,
    processing released released,
    processing accepted rescheduled,
    processing dead exhausted,
    processing processing overtaken,
    processing suspended outcome_unknown,
    suspended processing resumed,
    suspended accepted redriven,
    dead processing resumed,
    dead accepted redriven,
    suspended completed resolved,
    suspended failed resolved,
    dead completed resolved,
    dead failed resolved
  }'))
);

-- Recovery points.
CREATE TABLE {schema}.step (
  operation_id text COLLATE "C" NOT NULL,
  name         text COLLATE "C" NOT NULL,
  kind         text NOT NULL,
  fingerprint  text NOT NULL,
  result       text NOT NULL,
  attempt      integer NOT NULL,
  at           timestamptz NOT NULL,
  CONSTRAINT step_name PRIMARY KEY (operation_id, name),
  CONSTRAINT step_kind CHECK (kind IN ('step', 'transaction'))
);

-- Transitions that a write refused: alerts, counted and not repeated. Evidence is what a late owner brought.
CREATE TABLE {schema}.rejected_transition (
  operation_id      text COLLATE "C" NOT NULL,
  stored_state      text NOT NULL,
  stored_attempt    integer NOT NULL,
  attempted_state   text NOT NULL,
  attempted_attempt integer NOT NULL,
  actor             text NOT NULL,
  trace_id          text,
  evidence          text,
  evidence_hash     text GENERATED ALWAYS AS (md5(coalesce(evidence, ''))) STORED NOT NULL,
  count             integer NOT NULL DEFAULT 1,
  first_at          timestamptz NOT NULL,
  last_at           timestamptz NOT NULL,
  CONSTRAINT rejected_transition_once UNIQUE
    (operation_id, attempted_state, attempted_attempt, stored_state, stored_attempt, actor, evidence_hash)
);

-- How far each sweep has walked. A server sweeps while it holds the row.
CREATE TABLE {schema}.sweep (
  name       text PRIMARY KEY,
  -- Only the orphan sweep walks by time.
  cursor_at  timestamptz NOT NULL DEFAULT '-infinity',
  cursor_id  text COLLATE "C" NOT NULL DEFAULT '',
  -- Claimed before the cursor and still processing.
  stragglers text[] NOT NULL DEFAULT '{}'
);
INSERT INTO {schema}.sweep (name) VALUES ('orphans'), ('expired');

-- Raises when a guarded write matched nothing: a row count that travels in the same flight as COMMIT can't stop it.
CREATE FUNCTION {schema}.require(ok boolean, code text) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF ok IS NOT TRUE THEN
    RAISE EXCEPTION 'semel: a guarded write was refused (%)', code USING ERRCODE = code;
  END IF;
  RETURN true;
END $$;

-- The first flight of the atomic mode: lock, and the record as it is under the lock. VOLATILE, so that the look-up sees
-- what was committed before the lock was got; within one plain statement it would read a snapshot from before it. The
-- transaction's id is taken where the call may run: the last statement before COMMIT names it again, and a handler's
-- own COMMIT is found out. One text (measured: a row of four columns from a function takes twice the time): null when
-- somebody else holds the lock, else transaction id, packed record and outcome, each or all of them empty.
CREATE FUNCTION {schema}.open_atomic(lock_id bigint, in_scope text, in_procedure text, in_key text,
  statement_limit text, idle_limit text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  found_record text;
  settled boolean;
BEGIN
  IF NOT pg_try_advisory_xact_lock(lock_id) THEN
    RETURN NULL;
  END IF;
  SELECT concat_ws(E'\\x1f', o.operation_id, o.owner, o.fingerprint, o.state, o.attempt, o.version,
    o.mode, o.on_crash, o.lease_ms, o.max_run_ms, o.max_attempts, o.downstream_window_ms, o.ttl_ms,
    (date_part('epoch', o.created_at) * 1000)::bigint, (date_part('epoch', o.updated_at) * 1000)::bigint, (date_part('epoch', o.first_claimed_at) * 1000)::bigint,
    coalesce((date_part('epoch', o.lease_until) * 1000)::bigint::text, ''), coalesce((date_part('epoch', o.expires_at) * 1000)::bigint::text, ''),
    (date_part('epoch', clock_timestamp()) * 1000)::bigint) || E'\\x1e' || coalesce(o.outcome, ''),
    o.state IN ('completed', 'failed') AND o.expires_at > clock_timestamp()
    INTO found_record, settled
    FROM {schema}.operation o WHERE o.scope = in_scope AND o.procedure = in_procedure AND o.key = in_key;
  IF settled THEN
    RETURN E'\\x1e' || found_record;
  END IF;
  RETURN pg_current_xact_id()::text || E'\\x1e' || coalesce(found_record, E'\\x1e');
END $$;

-- History is append-only. Only retention may delete, and says so by a setting that ends with its transaction.
CREATE FUNCTION {schema}.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND current_setting('semel.retention', true) = 'on' THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'semel: % is append-only', TG_TABLE_NAME USING ERRCODE = 'SM004';
END $$;
-- Costs nothing to the updates that name neither column. Another operation under the same key is another row's history.
CREATE TRIGGER first_transition_append_only BEFORE UPDATE OF created_at, first_actor, first_trace_id
  ON {schema}.operation FOR EACH ROW WHEN (OLD.operation_id = NEW.operation_id)
  EXECUTE FUNCTION {schema}.refuse_change();
CREATE TRIGGER transition_append_only BEFORE UPDATE OR DELETE ON {schema}.transition
  FOR EACH ROW EXECUTE FUNCTION {schema}.refuse_change();
CREATE TRIGGER transition_never_truncated BEFORE TRUNCATE ON {schema}.transition
  FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change();
`,
};
