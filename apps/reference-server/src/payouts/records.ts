import type { Queryable } from '../database/pool.ts';
import type { PayoutAnswer, PayoutOrder } from '../payments/provider.ts';
import type { Payout } from './payout.ts';

interface NewPayout {
  readonly tenantId: string;
  readonly operationId: string;
  readonly order: PayoutOrder;
  readonly answer: PayoutAnswer;
}

export async function insertPayout(
  tx: Queryable,
  { tenantId, operationId, order, answer }: NewPayout,
): Promise<Payout> {
  const { payoutId: id, amount, currency, destination } = order;
  const state = answer.kind === 'sent' ? 'paid' : 'refused';
  const providerRef = answer.kind === 'sent' ? answer.providerRef : null;
  const { rows } = await tx.query<{ createdAt: Date }>(
    `INSERT INTO payout.payout (tenant_id, id, operation_id, amount, currency, destination, state, provider_ref)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING created_at AS "createdAt"`,
    [tenantId, id, operationId, amount, currency, destination, state, providerRef],
  );
  const { createdAt } = rows[0] as { createdAt: Date };
  return { id, state, amount, currency, destination, providerRef, createdAt: createdAt.toISOString() };
}
