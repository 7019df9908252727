import type { Migration } from './migration.ts';

// Frozen, as 0001 is.

/**
 * What waited before 0003 kept a list of it. A transaction of its own: it reads the whole table, and 0003 holds a lock
 * against writes; and what is suspended meanwhile is seen by the trigger, which must be committed before. The locks on the
 * rows that it finds keep them from being decided about until it is done; whatever else happens goes on.
 */
export const attention: Migration = {
  id: 4,
  name: 'attention',
  sql: `
INSERT INTO {schema}.attention (operation_id, since)
SELECT o.operation_id, o.updated_at FROM {schema}.operation o WHERE o.state IN ('suspended', 'dead') FOR SHARE OF o
ON CONFLICT DO NOTHING;
`,
};
