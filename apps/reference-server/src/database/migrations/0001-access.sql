-- Who may call. A key is 256 random bits and shown once; the table holds its SHA-256, so a copy of the table
-- lets nobody in. (High entropy: a slow hash would add nothing but time.)
CREATE SCHEMA access;
CREATE TABLE access.api_key (
  id         text COLLATE "C" PRIMARY KEY,
  tenant_id  text COLLATE "C" NOT NULL,
  roles      text[] NOT NULL,
  hash       bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  revoked_at timestamptz,
  CONSTRAINT api_key_hash_unique UNIQUE (hash),
  CONSTRAINT api_key_hash_is_sha256 CHECK (octet_length(hash) = 32),
  CONSTRAINT api_key_tenant CHECK (tenant_id ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
  CONSTRAINT api_key_roles CHECK (
    cardinality(roles) >= 1 AND roles <@ ARRAY['merchant', 'viewer', 'operator', 'admin']
  )
);
