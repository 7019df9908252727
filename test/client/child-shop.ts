// A shop in a process of its own, on Postgres, to be killed and started again on the same port.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createSemel } from '@semel/server';
import {
  type IdempotencyContext,
  type IdempotencyMeta,
  idempotencyContext,
  trpcIdempotency,
} from '@semel/server/trpc';
import { createPostgresStore } from '@semel/store-postgres';
import { initTRPC } from '@trpc/server';
import { createHTTPHandler } from '@trpc/server/adapters/standalone';
import pg from 'pg';

const { DATABASE_URL = '', SCHEMA = '', PORT = '0', HOLD } = process.env;
const store = createPostgresStore({ connection: DATABASE_URL, schema: SCHEMA });
const semel = createSemel({ store, recovery: false });
/** Stands for a payment provider: what is written there is outside of the operation's transaction. */
const outside = new pg.Pool({ connectionString: DATABASE_URL });

/** With HOLD the handler says how far it is, and stays there until somebody kills the process. */
const reach = async (point: string): Promise<void> => {
  if (HOLD !== point) return;
  process.send?.({ at: point });
  await new Promise(() => {});
};

interface Context {
  readonly idempotency: IdempotencyContext;
}
const t = initTRPC.context<Context>().meta<IdempotencyMeta>().create({ isDev: false });
const idempotent = trpcIdempotency({ semel, scope: () => 'alice' });
const sku = (value: unknown): { sku: string } => value as { sku: string };

const router = t.router({
  order: idempotent(t.procedure)
    .meta({ idempotency: { mode: 'atomic' } })
    .input(sku)
    .mutation(async ({ ctx: { operation }, input }) => {
      await operation.tx.query(`INSERT INTO ${SCHEMA}.effect (note) VALUES ($1)`, [operation.key]);
      await reach('written');
      return { sku: input.sku };
    }),
  pay: idempotent(t.procedure)
    .meta({ idempotency: { mode: 'leased', effects: 'steps', leaseMs: 300 } })
    .input(sku)
    .mutation(async ({ ctx: { operation }, input }) => {
      const charge = await operation.step('charge', async (childKey) => {
        await outside.query(`INSERT INTO ${SCHEMA}.charge (key) VALUES ($1) ON CONFLICT DO NOTHING`, [
          childKey,
        ]);
        await reach('charged');
        return childKey;
      });
      return operation.settle(async (tx) => {
        await tx.query(`INSERT INTO ${SCHEMA}.effect (note) VALUES ($1)`, [operation.key]);
        return { sku: input.sku, charge };
      });
    }),
});
export type ChildRouter = typeof router;

const server = createServer(
  createHTTPHandler({
    router,
    responseMeta: idempotent.responseMeta,
    createContext: (incoming): Context => ({ idempotency: idempotencyContext(incoming) }),
  }),
);
server.listen(Number(PORT), '127.0.0.1', () => {
  process.send?.({ ready: true, port: (server.address() as AddressInfo).port });
});
