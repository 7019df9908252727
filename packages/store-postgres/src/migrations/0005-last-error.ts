import type { Migration } from './migration.ts';

// Frozen, as 0001 is.

export const lastError: Migration = {
  id: 5,
  name: 'last-error',
  sql: `
-- What a suspended attempt said last, whatever its mode; leased operations have no row in work. Gone with the decision.
ALTER TABLE {schema}.attention ADD COLUMN last_error text;
`,
};
