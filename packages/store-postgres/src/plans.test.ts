import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Statements, statementsFor } from './statements/all.ts';
import { createFixture, type Fixture } from './testing/fixture.ts';

// What waits is found among 100,000 settled operations without reading them.

const SETTLED = 100_000;
let db: Fixture;
beforeAll(async () => {
  db = await createFixture('plans');
  const waiting = `CASE WHEN i % 3 = 0 THEN 'accepted' WHEN i % 3 = 1 THEN 'processing' ELSE 'dead' END`;
  const insert = (n: number, prefix: string, state: string, mode: string) =>
    db.sql(`INSERT INTO {s}.operation (scope, procedure, key, operation_id, state, attempt, owner, fingerprint, version, mode,
        on_crash, lease_ms, max_run_ms, max_attempts, downstream_window_ms, ttl_ms, created_at, first_actor, updated_at,
        first_claimed_at, claimed_at, lease_until, expires_at, outcome)
      SELECT 's', 'p', '${prefix}' || i, '${prefix}' || i, state, 1, 'o', 'f', 2, '${mode}', 'resume', 1, 1, 5, 1e9, 1,
        now(), 'request', now(), now(), now(), CASE state WHEN 'processing' THEN now() END,
        CASE state WHEN 'completed' THEN now() END, CASE state WHEN 'completed' THEN '{}' END
      FROM generate_series(1, ${n}) i, LATERAL (SELECT ${state} AS state) s`);
  await insert(SETTLED, 'settled-', `'completed'`, 'leased');
  await insert(60, 'waiting-', waiting, 'queued');
  await db.sql(`INSERT INTO {s}.work (operation_id, principal, input, due_at)
    SELECT operation_id, 'u', '{}', now() - interval '1 hour' FROM {s}.operation WHERE mode = 'queued'`);
  await db.sql(`INSERT INTO {s}.attention (operation_id, since)
    SELECT operation_id, now() FROM {s}.operation WHERE state = 'dead'`);
}, 120_000);
afterAll(() => db.close());

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Shared Hit Blocks': number;
  readonly 'Shared Read Blocks': number;
  readonly Plans?: readonly PlanNode[];
}

const flatten = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(flatten)];

/** Runs a statement by its generic plan, as every later execution of a prepared one does, and leaves nothing. */
async function explained(name: keyof Statements, values: readonly string[]) {
  const client = await db.pool.connect();
  try {
    await client.query('BEGIN');
    await client.query('SET LOCAL plan_cache_mode = force_generic_plan');
    await client.query(`PREPARE explained AS ${statementsFor(db.schema)[name].text}`);
    const called = values.length > 0 ? `explained (${values.join(', ')})` : 'explained';
    const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
      `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE ${called}`,
    );
    const plan = rows[0]?.['QUERY PLAN'][0].Plan;
    if (plan === undefined) throw new Error('no plan');
    return {
      blocks: plan['Shared Hit Blocks'] + plan['Shared Read Blocks'],
      scanned: flatten(plan)
        .filter((node) => node['Node Type'] === 'Seq Scan')
        .map((node) => node['Relation Name'])
        .filter((relation) => relation === 'operation'),
    };
  } finally {
    await client.query('ROLLBACK');
    await client.query('DEALLOCATE ALL');
    client.release();
  }
}

// The whole table is some 3,000 blocks.
const statements = [
  ['stranded', ['20', '30000', '0', `'waiting-1'`]],
  ['backlog', []],
  ['offer', ['20', '0', `'{p}'`]],
  ['listUndecided', [`'{suspended,dead}'`, 'NULL', `''`, '20']],
  ['listAccepted', [`'{accepted}'`, 'NULL', `''`, '20']],
  ['listAll', ['NULL', 'NULL', `'settled-5'`, '20']],
  ['start', [`'waiting-3'`, `'owner'`, `'worker'`, 'NULL']],
  ['work', [`'waiting-3'`]],
] as const;

test.each(statements)('%s reads what it needs before the tables were ever analysed', async (name, values) => {
  const { blocks, scanned } = await explained(name, values);
  expect(scanned).toEqual([]);
  expect(blocks).toBeLessThan(1_000);
});

test.each(statements)('%s reads what it needs after they were', async (name, values) => {
  for (const table of ['operation', 'work', 'attention']) await db.sql(`ANALYZE {s}.${table}`);
  const { blocks, scanned } = await explained(name, values);
  expect(scanned).toEqual([]);
  expect(blocks).toBeLessThan(1_000);
});

test.each(['settleMany', 'recordSteps', 'renew', 'renewLocked'] as const)(
  '%s, planned while the tables are empty, finds its rows by their index',
  async (name) => {
    const empty = await createFixture('empty_plans');
    const rows = await empty.sql<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
      `EXPLAIN (GENERIC_PLAN, FORMAT JSON) ${statementsFor(empty.schema)[name].text}`,
    );
    await empty.close();
    const scanned = flatten(rows[0]?.['QUERY PLAN'][0].Plan as PlanNode)
      .filter((node) => node['Relation Name'] === 'operation' && !node['Node Type'].startsWith('Modify'))
      .map((node) => node['Node Type']);
    expect(new Set(scanned)).toEqual(new Set(['Index Scan']));
  },
);
