import type { Migration } from './migration.ts';

// Frozen, as 0001 is.

export const purges: Migration = {
  id: 2,
  name: 'purges',
  sql: `
-- Who had the stored answer of an operation erased, and why. Written in the commit that erased it, and kept when the
-- operation has expired: it proves that it was done. Holds no scope, no key and nothing of the answer.
CREATE TABLE {schema}.purge (
  operation_id text COLLATE "C" NOT NULL,
  at           timestamptz NOT NULL,
  actor        text NOT NULL,
  reason       text NOT NULL,
  trace_id     text,
  CONSTRAINT purge_once PRIMARY KEY (operation_id),
  CONSTRAINT purge_says_who_and_why CHECK (actor <> '' AND reason <> '')
);
CREATE TRIGGER purge_append_only BEFORE UPDATE OR DELETE ON {schema}.purge
  FOR EACH ROW EXECUTE FUNCTION {schema}.refuse_change();
CREATE TRIGGER purge_never_truncated BEFORE TRUNCATE ON {schema}.purge
  FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change();
`,
};
