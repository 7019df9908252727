import type pg from 'pg';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../testing/rig.ts';
import type {} from '../testing/vitest-context.ts';
import { paymentState } from './graph.ts';
import { findPayment, insertPayment, type Move, movePayment } from './records.ts';

// The attacks are made as a superuser with psql would make them.
let database: TestDatabase;
let made = 0;
beforeAll(async () => {
  database = await createTestDatabase(inject('databaseUrl'));
});
afterAll(() => database.close());

const sql = <R extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<R[]> =>
  database.pool.query<R>(text, values).then(({ rows }) => rows);

async function inTransaction<T>(work: (tx: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await database.pool.connect();
  try {
    await client.query('BEGIN');
    const value = await work(client);
    await client.query('COMMIT');
    return value;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}

async function newPayment(tenantId = 'acme'): Promise<string> {
  const paymentId = `pay_${++made}`;
  const order = {
    paymentId,
    amount: 1000,
    currency: 'USD',
    customer: 'cus_ok',
    reference: 'r',
    capture: 'automatic',
  } as const;
  await inTransaction((tx) => insertPayment(tx, { tenantId, operationId: `op_${made}`, order }));
  return paymentId;
}

const move = (paymentId: string, to: Move['to'], kind: Move['kind'], ref: string) =>
  inTransaction((tx) => movePayment(tx, { tenantId: 'acme', paymentId, to, kind, ref }));

const insertHistory = `INSERT INTO pay.state_history
  (tenant_id, payment_id, version, prev_version, from_state, to_state, trigger_kind, trigger_ref)
  VALUES ('acme', $1, $2, $3, $4, $5, $6, $7)`;
const attack = (...values: unknown[]) => sql(insertHistory, values);

test('the type system knows the states of the database', async () => {
  const rows = await sql<{ name: string }>(`SELECT name FROM pay.state WHERE name <> 'new' ORDER BY name`);
  expect(rows.map(({ name }) => name)).toStrictEqual(paymentState.options.toSorted());
});

test('no edge leads out of a terminal state, and every other state has a way on', async () => {
  const rows = await sql<{ name: string; terminal: boolean; ways: number }>(
    `SELECT name, terminal, (SELECT count(*)::int FROM pay.edge WHERE from_state = name) AS ways FROM pay.state`,
  );
  expect(rows.filter(({ terminal, ways }) => terminal !== (ways === 0))).toStrictEqual([]);
});

test('a new payment has a history of one row', async () => {
  const id = await newPayment();
  expect(await findPayment(database.pool, 'acme', id)).toMatchObject({
    id,
    state: 'created',
    version: 1,
    amount: 1000,
  });
});

test("another tenant's payment looks like none", async () => {
  const id = await newPayment('globex');
  expect(await findPayment(database.pool, 'acme', id)).toBeUndefined();
});

test('one operation makes one payment', async () => {
  await newPayment();
  const order = {
    paymentId: 'pay_other',
    amount: 1,
    currency: 'USD',
    customer: 'c',
    reference: 'r',
    capture: 'manual',
  } as const;
  const again = inTransaction((tx) =>
    insertPayment(tx, { tenantId: 'acme', operationId: `op_${made}`, order }),
  );
  await expect(again).rejects.toThrow('payment_one_per_operation');
});

test.each([
  ['an amount of zero', { amount: 0 }, 'payment_amount'],
  ['a negative amount', { amount: -5 }, 'payment_amount'],
  ['a currency in small letters', { currency: 'usd' }, 'payment_currency'],
])('%s is refused', async (_, wrong, constraint) => {
  const order = {
    paymentId: 'pay_w',
    amount: 1,
    currency: 'USD',
    customer: 'c',
    reference: 'r',
    capture: 'manual',
    ...wrong,
  } as const;
  const insert = inTransaction((tx) => insertPayment(tx, { tenantId: 'acme', operationId: 'op_w', order }));
  await expect(insert).rejects.toThrow(constraint);
});

test('a move along no edge is refused', async () => {
  await expect(attack(await newPayment(), 2, 1, 'created', 'refunded', 'provider', 'x')).rejects.toThrow(
    'history_along_edge',
  );
});

test('a move along an edge by a trigger that may not take it is refused', async () => {
  await expect(attack(await newPayment(), 2, 1, 'created', 'processing', 'timer', 'x')).rejects.toThrow(
    'history_along_edge',
  );
});

test('a move from a state that the payment is not in is refused', async () => {
  await expect(attack(await newPayment(), 2, 1, 'processing', 'captured', 'provider', 'x')).rejects.toThrow(
    'history_continues',
  );
});

test('a skipped version is refused', async () => {
  await expect(attack(await newPayment(), 3, 2, 'created', 'processing', 'request', 'x')).rejects.toThrow(
    'history_continues',
  );
  await expect(attack(await newPayment(), 3, 1, 'created', 'processing', 'request', 'x')).rejects.toThrow(
    'history_unbroken',
  );
});

test('a second beginning is refused', async () => {
  await expect(attack(await newPayment(), 1, null, 'new', 'created', 'request', 'x')).rejects.toThrow(
    'history_identity',
  );
});

test('a state without a history that leads to it is refused', async () => {
  const id = await newPayment();
  await expect(sql(`UPDATE pay.payment SET state = 'captured' WHERE id = $1`, [id])).rejects.toThrow(
    'not a move by one',
  );
  await expect(
    sql(`UPDATE pay.payment SET state = 'captured', version = 2 WHERE id = $1`, [id]),
  ).rejects.toThrow('payment_is_history_head');
});

test('a history row that leaves the payment behind is refused at COMMIT', async () => {
  await expect(attack(await newPayment(), 2, 1, 'created', 'processing', 'request', 'lag')).rejects.toThrow(
    'head lags',
  );
});

test('history is neither changed nor deleted nor truncated', async () => {
  const id = await newPayment();
  await expect(
    sql(`UPDATE pay.state_history SET to_state = 'captured' WHERE payment_id = $1`, [id]),
  ).rejects.toThrow('append only');
  await expect(sql(`DELETE FROM pay.state_history WHERE payment_id = $1`, [id])).rejects.toThrow(
    'append only',
  );
  await expect(sql('TRUNCATE pay.state_history CASCADE')).rejects.toThrow('append only');
  await expect(sql('TRUNCATE pay.payment CASCADE')).rejects.toThrow('append only');
});

test('a payment with a history is not deleted', async () => {
  await expect(sql('DELETE FROM pay.payment WHERE id = $1', [await newPayment()])).rejects.toThrow(
    'history_of_payment',
  );
});

test('the head does not go back', async () => {
  const id = await newPayment();
  expect(await move(id, 'processing', 'request', 'r1')).toBe('accepted');
  await expect(
    sql(`UPDATE pay.payment SET state = 'created', version = 1 WHERE id = $1`, [id]),
  ).rejects.toThrow('not a move by one');
});

test.each([
  'amount = 5',
  "currency = 'EUR'",
  "tenant_id = 'globex'",
  "customer = 'x'",
  "reference = 'x'",
  "operation_id = 'x'",
])('a payment keeps what it is: SET %s is refused', async (change) => {
  await expect(sql(`UPDATE pay.payment SET ${change} WHERE id = $1`, [await newPayment()])).rejects.toThrow(
    'only state, version and a provider reference',
  );
});

test('a provider reference that is known stays, and belongs to one payment', async () => {
  const [first, second] = [await newPayment(), await newPayment()];
  const by = { kind: 'request', provider: { name: 'stripe', ref: 'pi_1' } } as const;
  const processing = (paymentId: string) =>
    inTransaction((tx) =>
      movePayment(tx, { tenantId: 'acme', paymentId, to: 'processing', ref: 'x', ...by }),
    );
  expect(await processing(first)).toBe('accepted');
  await expect(processing(second)).rejects.toThrow('payment_one_per_provider_ref');
  await expect(sql(`UPDATE pay.payment SET provider_ref = 'pi_2' WHERE id = $1`, [first])).rejects.toThrow(
    'only state, version',
  );
});

test('one event moves a payment once', async () => {
  const id = await newPayment();
  expect(await move(id, 'processing', 'request', 'r1')).toBe('accepted');
  expect(await move(id, 'processing', 'request', 'r1')).toBe('duplicate_event');
  expect((await findPayment(database.pool, 'acme', id))?.version).toBe(2);
});

test('an event that tells what is already so exits cleanly', async () => {
  const id = await newPayment();
  await move(id, 'processing', 'request', 'r1');
  expect(await move(id, 'captured', 'provider', 'e1')).toBe('accepted');
  expect(await move(id, 'captured', 'provider', 'e2')).toBe('already_applied');
  expect(await sql('SELECT 1 FROM pay.rejected_transition WHERE payment_id = $1', [id])).toStrictEqual([]);
});

test('refused moves are kept for review, counted and not repeated', async () => {
  const id = await newPayment();
  await move(id, 'processing', 'request', 'r1');
  await move(id, 'captured', 'provider', 'e1');
  for (const _ of [1, 2, 3]) expect(await move(id, 'processing', 'provider', 'late')).toBe('stale');
  expect(await move(id, 'expired', 'timer', 't1')).toBe('invalid');
  expect(await move(id, 'refunded', 'provider', 'e1')).toBe('invalid'); // e1 was something else
  const rows = await sql(
    `SELECT trigger_ref AS ref, attempted_state AS attempted, stored_state AS stored, reason, count, disposition
     FROM pay.rejected_transition WHERE payment_id = $1 ORDER BY first_at`,
    [id],
  );
  expect(rows).toStrictEqual([
    {
      ref: 'late',
      attempted: 'processing',
      stored: 'captured',
      reason: 'stale',
      count: 3,
      disposition: 'open',
    },
    { ref: 't1', attempted: 'expired', stored: 'captured', reason: 'invalid', count: 1, disposition: 'open' },
    {
      ref: 'e1',
      attempted: 'refunded',
      stored: 'captured',
      reason: 'invalid',
      count: 1,
      disposition: 'open',
    },
  ]);
});

test('of twenty conflicting events at once one moves the payment', async () => {
  const id = await newPayment();
  await move(id, 'processing', 'request', 'r1');
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, (_, i) => move(id, i % 2 === 0 ? 'captured' : 'failed', 'provider', `e${i}`)),
  );
  expect(outcomes.filter((outcome) => outcome === 'accepted')).toHaveLength(1);
  expect((await findPayment(database.pool, 'acme', id))?.version).toBe(3);
});

test('each history row carries the hash of the one before, whatever the writer brings', async () => {
  const id = await newPayment();
  await move(id, 'processing', 'request', 'r1');
  const [fits] = await sql<{ fits: boolean }>(
    `SELECT bool_and(b.prev_hash = a.hash AND octet_length(b.hash) = 32 AND b.hash <> a.hash) AS fits
     FROM pay.state_history a JOIN pay.state_history b USING (tenant_id, payment_id)
     WHERE payment_id = $1 AND b.version = a.version + 1`,
    [id],
  );
  expect(fits).toStrictEqual({ fits: true });
});
