import type { Queryable } from '../database/pool.ts';
import type { PaymentState, TriggerKind } from './graph.ts';
import type { Payment } from './payment.ts';
import type { ChargeOrder } from './provider.ts';

/** `accepted` moved it; see `pay.transition` in migration 0003 for the others. */
export type TransitionOutcome = 'accepted' | 'duplicate_event' | 'already_applied' | 'stale' | 'invalid';

export interface Move {
  readonly tenantId: string;
  readonly paymentId: string;
  readonly to: PaymentState;
  readonly kind: TriggerKind;
  /** Names the one request or event that moves it: the same one never moves it twice. */
  readonly ref: string;
  readonly provider?: { readonly name: string; readonly ref: string } | undefined;
}

interface Row extends Omit<Payment, 'amount' | 'createdAt' | 'updatedAt'> {
  readonly amount: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const COLUMNS = `id, state, amount::text AS amount, currency, customer, reference, provider_ref AS "providerRef", version,
  created_at AS "createdAt", updated_at AS "updatedAt"`;

/** A payment of that tenant; another tenant's looks like none. */
export async function findPayment(db: Queryable, tenantId: string, id: string): Promise<Payment | undefined> {
  const { rows } = await db.query<Row>(
    `SELECT ${COLUMNS} FROM pay.payment WHERE tenant_id = $1 AND id = $2`,
    [tenantId, id],
  );
  return rows[0] && paymentFromRow(rows[0]);
}

/** Newest first, at most `limit`. */
export async function listPayments(
  db: Queryable,
  tenantId: string,
  limit: number,
): Promise<readonly Payment[]> {
  const { rows } = await db.query<Row>(
    `SELECT ${COLUMNS} FROM pay.payment WHERE tenant_id = $1 ORDER BY created_at DESC, id LIMIT $2`,
    [tenantId, limit],
  );
  return rows.map(paymentFromRow);
}

/** The payment and its first history row. Needs a transaction: its constraints are checked at COMMIT. */
export async function insertPayment(
  tx: Queryable,
  { tenantId, operationId, order }: { tenantId: string; operationId: string; order: ChargeOrder },
): Promise<void> {
  const { paymentId, amount, currency, customer, reference, capture } = order;
  await tx.query('SELECT pay.create_payment($1, $2, $3, $4, $5, $6, $7, $8, $9)', [
    tenantId,
    paymentId,
    operationId,
    amount,
    currency,
    customer,
    reference,
    capture,
    `${operationId}/create`,
  ]);
}

/** Moves a payment along the graph, or says why not. A refusal is a value: its alert row commits with the rest. */
export async function movePayment(tx: Queryable, move: Move): Promise<TransitionOutcome> {
  const { rows } = await tx.query<{ outcome: TransitionOutcome }>(
    'SELECT outcome FROM pay.transition($1, $2, $3, $4, $5, $6, $7)',
    [move.tenantId, move.paymentId, move.to, move.kind, move.ref, move.provider?.name, move.provider?.ref],
  );
  return (rows[0] as { outcome: TransitionOutcome }).outcome;
}

const paymentFromRow = (row: Row): Payment => ({
  ...row,
  amount: Number(row.amount),
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
});
