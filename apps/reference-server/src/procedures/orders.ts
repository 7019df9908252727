import { z } from 'zod';
import type { Queryable } from '../database/pool.ts';
import { text } from '../database/text.ts';
import type { Parts } from './parts.ts';
import { permitted, t } from './trpc.ts';

const orderRequest = z
  .object({ sku: text(100), quantity: z.int().min(1).max(1_000_000) })
  .meta({ id: 'OrderRequest' });
const order = z
  .object({ id: z.string(), sku: z.string(), quantity: z.int(), createdAt: z.string() })
  .meta({ id: 'Order' });

export const ordersRouter = ({ idempotent }: Parts) =>
  t.router({
    /** The whole effect is one row in the store's own database: one transaction, one commit, no lease. */
    create: idempotent(permitted('create'))
      .meta({
        idempotency: { mode: 'atomic', name: 'orders.create' },
        rest: { method: 'POST', path: '/v1/orders', status: 201, summary: 'Orders something' },
      })
      .input(orderRequest)
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
