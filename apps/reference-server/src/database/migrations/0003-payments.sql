-- Payments: what may happen to a payment is data, and what did happen is append-only. A superuser with psql can't store
-- a state that no history leads to, nor a history that no edge allows. Money is in minor units, whole numbers.
CREATE SCHEMA pay;

-- The graph as data. `new` is where every history begins; no payment is ever in it.
CREATE TABLE pay.state (
  name     text COLLATE "C" PRIMARY KEY,
  terminal boolean NOT NULL
);
CREATE TABLE pay.edge (
  from_state   text COLLATE "C" NOT NULL REFERENCES pay.state,
  to_state     text COLLATE "C" NOT NULL REFERENCES pay.state,
  trigger_kind text COLLATE "C" NOT NULL,
  CONSTRAINT edge_identity PRIMARY KEY (from_state, to_state),
  CONSTRAINT edge_trigger UNIQUE (from_state, to_state, trigger_kind)
);
INSERT INTO pay.state (name, terminal) VALUES
  ('new', false), ('created', false), ('requires_action', false), ('processing', false), ('authorized', false),
  ('captured', false), ('settled', false), ('partially_refunded', false), ('refunded', true), ('failed', true),
  ('canceled', true), ('expired', true), ('disputed', false), ('charged_back', true), ('outcome_unknown', false);
INSERT INTO pay.edge (from_state, to_state, trigger_kind) VALUES
  ('new', 'created', 'request'),
  ('created', 'processing', 'request'),
  ('created', 'canceled', 'request'),
  ('processing', 'requires_action', 'provider'),
  ('requires_action', 'processing', 'request'),
  ('requires_action', 'canceled', 'request'),
  ('requires_action', 'expired', 'timer'),
  ('processing', 'authorized', 'provider'),
  ('processing', 'captured', 'provider'),
  ('processing', 'failed', 'provider'),
  ('processing', 'outcome_unknown', 'timer'),
  ('outcome_unknown', 'authorized', 'provider'),
  ('outcome_unknown', 'captured', 'provider'),
  ('outcome_unknown', 'failed', 'provider'),
  ('authorized', 'captured', 'provider'),
  ('authorized', 'canceled', 'request'),
  ('authorized', 'expired', 'timer'),
  ('captured', 'settled', 'settlement'),
  ('captured', 'partially_refunded', 'provider'),
  ('captured', 'refunded', 'provider'),
  ('settled', 'partially_refunded', 'provider'),
  ('settled', 'refunded', 'provider'),
  ('partially_refunded', 'refunded', 'provider'),
  ('captured', 'disputed', 'provider'),
  ('settled', 'disputed', 'provider'),
  ('disputed', 'settled', 'provider'),
  ('disputed', 'charged_back', 'provider');

CREATE TABLE pay.payment (
  tenant_id    text COLLATE "C" NOT NULL,
  id           text COLLATE "C" NOT NULL,
  -- The operation that made it: one payment each, whatever the engine does.
  operation_id text COLLATE "C" NOT NULL,
  amount       bigint NOT NULL,
  currency     char(3) NOT NULL,
  customer     text NOT NULL,
  reference    text NOT NULL,
  capture      text NOT NULL,
  state        text COLLATE "C" NOT NULL,
  version      integer NOT NULL,
  provider     text,
  provider_ref text,
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT payment_identity PRIMARY KEY (tenant_id, id),
  CONSTRAINT payment_one_per_operation UNIQUE (tenant_id, operation_id),
  CONSTRAINT payment_one_per_provider_ref UNIQUE (tenant_id, provider, provider_ref),
  CONSTRAINT payment_amount CHECK (amount > 0),
  CONSTRAINT payment_currency CHECK (currency ~ '^[A-Z]{3}$'),
  CONSTRAINT payment_capture CHECK (capture IN ('automatic', 'manual')),
  CONSTRAINT payment_version CHECK (version >= 1)
);
CREATE INDEX payment_newest ON pay.payment (tenant_id, created_at DESC, id);

CREATE TABLE pay.state_history (
  tenant_id    text COLLATE "C" NOT NULL,
  payment_id   text COLLATE "C" NOT NULL,
  version      integer NOT NULL,
  prev_version integer,
  from_state   text COLLATE "C" NOT NULL,
  to_state     text COLLATE "C" NOT NULL,
  trigger_kind text COLLATE "C" NOT NULL,
  trigger_ref  text COLLATE "C" NOT NULL,
  actor        text NOT NULL DEFAULT current_user,
  at           timestamptz NOT NULL DEFAULT clock_timestamp(),
  xid          xid8 NOT NULL DEFAULT pg_current_xact_id(),
  prev_hash    bytea,
  hash         bytea NOT NULL,
  CONSTRAINT history_identity PRIMARY KEY (tenant_id, payment_id, version),
  CONSTRAINT history_head UNIQUE (tenant_id, payment_id, version, to_state),
  -- A trigger (one request, one provider event) moves a payment at most once.
  CONSTRAINT history_one_move_per_trigger UNIQUE (tenant_id, payment_id, trigger_kind, trigger_ref),
  -- Only a named edge, by the kind of trigger that may take it.
  CONSTRAINT history_along_edge FOREIGN KEY (from_state, to_state, trigger_kind)
    REFERENCES pay.edge (from_state, to_state, trigger_kind),
  -- from_state IS the previous row's to_state.
  CONSTRAINT history_continues FOREIGN KEY (tenant_id, payment_id, prev_version, from_state)
    REFERENCES pay.state_history (tenant_id, payment_id, version, to_state),
  CONSTRAINT history_of_payment FOREIGN KEY (tenant_id, payment_id)
    REFERENCES pay.payment (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT history_unbroken CHECK (
    (version = 1 AND prev_version IS NULL AND from_state = 'new')
    OR (version > 1 AND prev_version IS NOT NULL AND prev_version = version - 1)
  )
);
-- The current state is the head of the history. Checked at COMMIT: the two rows are written one after the other.
ALTER TABLE pay.payment ADD CONSTRAINT payment_is_history_head
  FOREIGN KEY (tenant_id, id, version, state)
  REFERENCES pay.state_history (tenant_id, payment_id, version, to_state) DEFERRABLE INITIALLY DEFERRED;

-- Moves that were refused: alerts for a person to look at. Repeated ones are counted, not repeated.
CREATE TABLE pay.rejected_transition (
  tenant_id       text COLLATE "C" NOT NULL,
  payment_id      text COLLATE "C" NOT NULL,
  trigger_kind    text COLLATE "C" NOT NULL,
  trigger_ref     text COLLATE "C" NOT NULL,
  attempted_state text COLLATE "C" NOT NULL,
  stored_state    text NOT NULL,
  stored_version  integer NOT NULL,
  reason          text NOT NULL,
  count           integer NOT NULL DEFAULT 1,
  first_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  last_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  disposition     text NOT NULL DEFAULT 'open',
  CONSTRAINT rejected_transition_once
    PRIMARY KEY (tenant_id, payment_id, trigger_kind, trigger_ref, attempted_state),
  CONSTRAINT rejected_transition_of_payment FOREIGN KEY (tenant_id, payment_id) REFERENCES pay.payment (tenant_id, id),
  CONSTRAINT rejected_transition_reason CHECK (reason IN ('stale', 'invalid')),
  CONSTRAINT rejected_transition_disposition CHECK (disposition IN ('open', 'reprocessed', 'ignored', 'escalated'))
);

-- Each row carries the hash of the one before: a row rewritten behind the triggers' back no longer fits.
-- Made here and not by the writer, so that nobody can bring a hash of their own.
CREATE FUNCTION pay.chain_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  SELECT hash INTO NEW.prev_hash FROM pay.state_history
   WHERE tenant_id = NEW.tenant_id AND payment_id = NEW.payment_id AND version = NEW.prev_version;
  NEW.hash := sha256(coalesce(NEW.prev_hash, ''::bytea) || convert_to(jsonb_build_array(
    NEW.tenant_id, NEW.payment_id, NEW.version, NEW.from_state, NEW.to_state, NEW.trigger_kind, NEW.trigger_ref
  )::text, 'UTF8'));
  RETURN NEW;
END $$;
CREATE TRIGGER chain_history BEFORE INSERT ON pay.state_history
  FOR EACH ROW EXECUTE FUNCTION pay.chain_history();

CREATE FUNCTION pay.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% on %.% is not allowed: append only', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = '42501';
END $$;
CREATE TRIGGER history_append_only BEFORE UPDATE OR DELETE ON pay.state_history
  FOR EACH ROW EXECUTE FUNCTION pay.refuse_change();
CREATE TRIGGER history_never_truncated BEFORE TRUNCATE ON pay.state_history
  FOR EACH STATEMENT EXECUTE FUNCTION pay.refuse_change();

-- The head moves by one, and what a payment is never changes.
CREATE FUNCTION pay.head_moves_one() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.state, NEW.version) IS DISTINCT FROM (OLD.state, OLD.version) AND NEW.version <> OLD.version + 1 THEN
    RAISE EXCEPTION 'payment %: version % -> % is not a move by one', NEW.id, OLD.version, NEW.version USING ERRCODE = '23514';
  END IF;
  IF (NEW.tenant_id, NEW.id, NEW.operation_id, NEW.amount, NEW.currency, NEW.customer, NEW.reference, NEW.capture, NEW.created_at)
     IS DISTINCT FROM
     (OLD.tenant_id, OLD.id, OLD.operation_id, OLD.amount, OLD.currency, OLD.customer, OLD.reference, OLD.capture, OLD.created_at)
     OR (OLD.provider_ref IS NOT NULL AND (NEW.provider, NEW.provider_ref) IS DISTINCT FROM (OLD.provider, OLD.provider_ref))
  THEN
    RAISE EXCEPTION 'payment %: only state, version and a provider reference that was not yet known may change', OLD.id USING ERRCODE = '23514';
  END IF;
  NEW.updated_at := clock_timestamp();
  RETURN NEW;
END $$;
CREATE TRIGGER head_moves_one BEFORE UPDATE ON pay.payment
  FOR EACH ROW EXECUTE FUNCTION pay.head_moves_one();

-- A history row whose payment stays behind is refused at COMMIT.
CREATE FUNCTION pay.head_is_last() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT version FROM pay.payment WHERE tenant_id = NEW.tenant_id AND id = NEW.payment_id)
     IS DISTINCT FROM
     (SELECT max(version) FROM pay.state_history WHERE tenant_id = NEW.tenant_id AND payment_id = NEW.payment_id)
  THEN
    RAISE EXCEPTION 'payment %: its head lags behind its history', NEW.payment_id USING ERRCODE = '23514';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER head_is_last AFTER INSERT ON pay.state_history
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pay.head_is_last();

-- IN: the payment, and the request that asks for it. Atomic: payment and first history row, or neither.
CREATE FUNCTION pay.create_payment(
  p_tenant text, p_id text, p_operation text, p_amount bigint, p_currency text, p_customer text, p_reference text,
  p_capture text, p_trigger_ref text
) RETURNS void LANGUAGE sql AS $$
  INSERT INTO pay.payment (tenant_id, id, operation_id, amount, currency, customer, reference, capture, state, version)
  VALUES (p_tenant, p_id, p_operation, p_amount, p_currency, p_customer, p_reference, p_capture, 'created', 1);
  INSERT INTO pay.state_history (tenant_id, payment_id, version, from_state, to_state, trigger_kind, trigger_ref)
  VALUES (p_tenant, p_id, 1, 'new', 'created', 'request', p_trigger_ref);
$$;

-- IN: a payment, where to, and what moves it. OUT: one row.
--   accepted         moved; history has a row more
--   duplicate_event  this very trigger already did that
--   already_applied  another trigger brought it there before
--   stale            it was there once and has moved on: kept in rejected_transition
--   invalid          no such edge, or the trigger was used for something else: kept in rejected_transition
-- A refusal is a value and not an exception, so that its alert commits. Holds the payment's row lock until COMMIT.
CREATE FUNCTION pay.transition(
  p_tenant text, p_id text, p_target text, p_kind text, p_ref text,
  p_provider text DEFAULT NULL, p_provider_ref text DEFAULT NULL
) RETURNS TABLE (outcome text, state text, version integer) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  r pay.payment;
  done text;
  why text;
BEGIN
  SELECT * INTO r FROM pay.payment p WHERE p.tenant_id = p_tenant AND p.id = p_id FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no payment %', p_id USING ERRCODE = 'P0002';
  END IF;
  SELECT h.to_state INTO done FROM pay.state_history h
   WHERE h.tenant_id = p_tenant AND h.payment_id = p_id AND h.trigger_kind = p_kind AND h.trigger_ref = p_ref;
  IF done = p_target THEN
    RETURN QUERY SELECT 'duplicate_event', r.state, r.version;
    RETURN;
  END IF;
  IF done IS NULL AND EXISTS (
    SELECT FROM pay.edge e WHERE e.from_state = r.state AND e.to_state = p_target AND e.trigger_kind = p_kind
  ) THEN
    INSERT INTO pay.state_history (tenant_id, payment_id, version, prev_version, from_state, to_state, trigger_kind, trigger_ref)
    VALUES (p_tenant, p_id, r.version + 1, r.version, r.state, p_target, p_kind, p_ref);
    UPDATE pay.payment p SET state = p_target, version = r.version + 1,
      provider = coalesce(p_provider, p.provider), provider_ref = coalesce(p_provider_ref, p.provider_ref)
     WHERE p.tenant_id = p_tenant AND p.id = p_id;
    RETURN QUERY SELECT 'accepted', p_target, r.version + 1;
    RETURN;
  END IF;
  IF done IS NULL AND r.state = p_target THEN
    RETURN QUERY SELECT 'already_applied', r.state, r.version;
    RETURN;
  END IF;
  why := CASE WHEN done IS NULL AND EXISTS (
    SELECT FROM pay.state_history h WHERE h.tenant_id = p_tenant AND h.payment_id = p_id AND h.to_state = p_target
  ) THEN 'stale' ELSE 'invalid' END;
  INSERT INTO pay.rejected_transition AS x
    (tenant_id, payment_id, trigger_kind, trigger_ref, attempted_state, stored_state, stored_version, reason)
  VALUES (p_tenant, p_id, p_kind, p_ref, p_target, r.state, r.version, why)
  ON CONFLICT ON CONSTRAINT rejected_transition_once
    DO UPDATE SET count = x.count + 1, last_at = clock_timestamp();
  RETURN QUERY SELECT why, r.state, r.version;
END $$;
