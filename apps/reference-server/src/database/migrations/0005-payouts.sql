-- Payouts: money that a worker has sent, or was refused. Tenant first in every key; amounts in minor units.
CREATE SCHEMA payout;
CREATE TABLE payout.payout (
  tenant_id    text COLLATE "C" NOT NULL,
  id           text COLLATE "C" NOT NULL,
  -- The operation that made it: one payout each, whatever queue and engine do.
  operation_id text COLLATE "C" NOT NULL,
  amount       bigint NOT NULL,
  currency     char(3) NOT NULL,
  destination  text NOT NULL,
  state        text COLLATE "C" NOT NULL,
  provider_ref text,
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT payout_identity PRIMARY KEY (tenant_id, id),
  CONSTRAINT payout_one_per_operation UNIQUE (tenant_id, operation_id),
  CONSTRAINT payout_amount CHECK (amount > 0),
  CONSTRAINT payout_state CHECK (state IN ('paid', 'refused')),
  CONSTRAINT payout_paid_has_reference CHECK ((state = 'paid') = (provider_ref IS NOT NULL))
);
-- The last line: one transfer of the provider's is never booked twice.
CREATE UNIQUE INDEX payout_one_per_transfer ON payout.payout (provider_ref) WHERE provider_ref IS NOT NULL;
