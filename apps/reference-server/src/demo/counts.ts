import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';

/** A payment of the story, as the database has it. */
export interface PaymentCount {
  readonly tenantId: string;
  readonly reference: string;
  readonly state: string;
}

/** The order names (their SKUs) that begin so: one for each row. */
export async function countOrders(db: pg.Pool, prefix: string): Promise<readonly string[]> {
  const { rows } = await db.query<{ sku: string }>('SELECT sku FROM shop.orders WHERE starts_with(sku, $1)', [
    prefix,
  ]);
  return rows.map(({ sku }) => sku);
}

/** The students whose name begins so: one for each enrollment. */
export async function countEnrollments(db: pg.Pool, prefix: string): Promise<readonly string[]> {
  const { rows } = await db.query<{ student: string }>(
    'SELECT student_id AS student FROM campus.enrollment WHERE starts_with(student_id, $1)',
    [prefix],
  );
  return rows.map(({ student }) => student);
}

/** The ids of the payouts that were paid. */
export async function countPayouts(db: pg.Pool): Promise<readonly string[]> {
  const { rows } = await db.query<{ id: string }>(`SELECT id FROM payout.payout WHERE state = 'paid'`);
  return rows.map(({ id }) => id);
}

/** Resolves when a worker is at one: what is killed after that is killed in the middle. */
export async function somePayoutRuns(db: pg.Pool): Promise<void> {
  const until = performance.now() + 10_000;
  for (; performance.now() < until; await sleep(20)) {
    const { rowCount } = await db.query(
      `SELECT FROM semel.operation WHERE procedure = 'payouts.create' AND state = 'processing'`,
    );
    if ((rowCount ?? 0) > 0) return;
  }
  throw new Error('no worker began a payout');
}

/** One for each row, whatever its state. */
export async function countPayments(db: pg.Pool, prefix: string): Promise<readonly PaymentCount[]> {
  const { rows } = await db.query<PaymentCount>(
    `SELECT tenant_id AS "tenantId", reference, state FROM pay.payment WHERE starts_with(reference, $1)`,
    [prefix],
  );
  return rows;
}
