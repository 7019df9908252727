import { z } from 'zod';
import type { Queryable } from '../database/pool.ts';
import type { Parts } from './parts.ts';
import { permitted, t } from './trpc.ts';

const order = z.object({ id: z.string(), sku: z.string(), quantity: z.int(), createdAt: z.string() });

export const ordersRouter = ({ idempotent }: Parts) =>
  t.router({
    /** The whole effect is one row in the store's own database: one transaction, one commit, no lease. */
    create: idempotent(permitted('create'))
      .meta({ idempotency: { mode: 'atomic', name: 'orders.create' } })
      .input(z.object({ sku: z.string().min(1).max(100), quantity: z.int().min(1).max(1_000_000) }))
      .output(order)
      .mutation(({ input, ctx: { operation, principal } }) =>
        insertOrder(operation.tx, { ...input, tenantId: principal.tenantId, operationId: operation.id }),
      ),
  });

interface NewOrder {
  readonly tenantId: string;
  readonly operationId: string;
  readonly sku: string;
  readonly quantity: number;
}

async function insertOrder(tx: Queryable, { tenantId, operationId, sku, quantity }: NewOrder) {
  const { rows } = await tx.query<{ id: string; createdAt: Date }>(
    `INSERT INTO shop.orders (tenant_id, id, operation_id, sku, quantity) VALUES ($1, $2, $3, $4, $5)
     RETURNING id, created_at AS "createdAt"`,
    [tenantId, `ord_${operationId}`, operationId, sku, quantity],
  );
  const { id, createdAt } = rows[0] as { id: string; createdAt: Date };
  return { id, sku, quantity, createdAt: createdAt.toISOString() };
}
