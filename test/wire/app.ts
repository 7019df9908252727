import { createMemoryStore, createSemel, type Semel } from '@semel/server';
import type { MemoryTransaction, Store } from '@semel/server/store';
import { type TrpcIdempotency, trpcIdempotency } from '@semel/server/trpc';
import type { AnyRouter } from '@trpc/server';
import type superjson from 'superjson';
import { afterEach } from 'vitest';
import { type CarrierName, type Client, connect } from '../fixtures/carriers.ts';
import { type Context, serveTrpc } from '../fixtures/trpc-server.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** What every app in these tests is built on: a store, the engine and the wrapper, each test its own. */
export interface Parts {
  readonly store: Store<MemoryTransaction> & { readonly committed: ReadonlyMap<string, unknown> };
  readonly semel: Semel<MemoryTransaction>;
  readonly idempotent: TrpcIdempotency<MemoryTransaction>;
}
export function createParts(): Parts {
  const store = createMemoryStore();
  const semel = createSemel({ store, recovery: false });
  cleanups.push(semel.close);
  return { store, semel, idempotent: trpcIdempotency({ semel, scope: (ctx: Context) => ctx.user }) };
}

/** Serves a router that was built on the parts, and connects a real client to it. */
export async function serve(parts: Parts, router: AnyRouter) {
  const server = await serveTrpc({ router, responseMeta: parts.idempotent.responseMeta });
  cleanups.push(server.close);
  return {
    ...server,
    connect(carrier: CarrierName, transformer?: typeof superjson | null): Client {
      const client = connect(carrier, server, transformer);
      cleanups.push(client.close);
      return client;
    },
  };
}
