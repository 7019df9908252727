-- Orders: the whole effect of an atomic procedure. Tenant first in every key, so that the table can be split by it.
CREATE SCHEMA shop;
CREATE TABLE shop.orders (
  tenant_id    text COLLATE "C" NOT NULL,
  id           text COLLATE "C" NOT NULL,
  -- The operation that made it. Belt and braces: even a wrong engine could not store a second order for it.
  operation_id text COLLATE "C" NOT NULL,
  sku          text NOT NULL,
  quantity     integer NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT orders_identity PRIMARY KEY (tenant_id, id),
  CONSTRAINT orders_one_per_operation UNIQUE (tenant_id, operation_id),
  CONSTRAINT orders_quantity CHECK (quantity >= 1)
);
