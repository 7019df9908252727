import { type Capabilities, type ContractTarget, describeIdempotency } from '@semel/testing';
import { inject } from 'vitest';
import { createRig, type Rig } from '../testing/rig.ts';
import type {} from '../testing/vitest-context.ts';

// Orders: the whole effect is one row; payouts are the same for queued work. Both carriers of the procedure are asked for the whole contract.
const ORIGIN = 'https://shop.example';

async function open(carrier: 'http' | 'trpc'): Promise<{ rig: Rig; target: ContractTarget }> {
  const rig = await createRig(inject('databaseUrl'), {
    corsOrigins: [ORIGIN],
    rateLimit: { max: 1_000_000, windowMs: 60_000 },
  });
  const [acme, globex] = [await rig.key('acme', 'merchant'), await rig.key('globex', 'merchant')];
  const common = {
    principals: [{ authorization: `Bearer ${acme}` }, { authorization: `Bearer ${globex}` }],
    origin: ORIGIN,
    body: ({ reference, amount, failure }) => ({
      sku: reference,
      quantity: failure === 'invalid' ? 0 : amount,
      // Of a payout; an order takes no notice.
      amount,
      currency: 'EUR',
      destination: reference,
    }),
    async countEffects(reference) {
      const sql = `SELECT (SELECT count(*) FROM shop.orders WHERE sku = $1)::int
        + (SELECT count(*) FROM payout.payout WHERE destination = $1)::int AS count`;
      const { rows } = await rig.database.pool.query<{ count: number }>(sql, [reference]);
      return rows[0]?.count ?? 0;
    },
  } satisfies Partial<ContractTarget>;
  const { url } = rig.server;
  return {
    rig,
    target:
      carrier === 'http'
        ? {
            ...common,
            url,
            path: '/v1/orders',
            queuedPath: '/v1/payouts',
            status: { path: '/idempotency/operations', procedure: 'orders.create' },
          }
        : {
            ...common,
            url: `${url}/trpc`,
            carrier,
            transformer: 'superjson',
            path: 'orders.create',
            queuedPath: 'payouts.create',
            status: { path: 'idempotency.status', procedure: 'orders.create' },
          },
  };
}

function asks(name: string, carrier: 'http' | 'trpc', capabilities: Capabilities): void {
  let rig: Rig | undefined;
  describeIdempotency({
    name,
    async target() {
      const opened = await open(carrier);
      rig = opened.rig;
      return opened.target;
    },
    capabilities: { ...capabilities, inFlight: 'wait', failures: ['invalid'] },
    close: () => rig?.close(),
  });
}

// What stands in a query string is input of the procedure, and an order has none.
asks('the REST API', 'http', { cors: true, query: false });
asks('the tRPC API', 'trpc', { batch: true });
