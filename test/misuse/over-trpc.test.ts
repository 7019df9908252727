import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createSemelClient } from '@semel/client';
import { createMemoryStore, createSemel, type SemelEvent } from '@semel/server';
import { httpIdempotency } from '@semel/server/http';
import {
  type IdempotencyContext,
  type IdempotencyMeta,
  idempotencyContext,
  trpcIdempotency,
} from '@semel/server/trpc';
import { createTRPCClient, httpLink } from '@trpc/client';
import { initTRPC } from '@trpc/server';
import { createHTTPHandler } from '@trpc/server/adapters/standalone';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';

interface Context {
  readonly idempotency: IdempotencyContext;
  readonly user: string;
}

/** A shop over real HTTP. Its first `failures` orders fail for now. */
async function startShop(failures: number) {
  const signals: SemelEvent[] = [];
  let ran = 0;
  const semel = createSemel({
    store: createMemoryStore(),
    recovery: false,
    onEvent: (event) => event.type === 'misuse' && signals.push(event),
  });
  const t = initTRPC.context<Context>().meta<IdempotencyMeta>().create();
  const idempotent = trpcIdempotency({ semel, scope: (ctx: Context) => ctx.user });
  const router = t.router({
    order: idempotent(t.procedure)
      .meta({ idempotency: { mode: 'leased' } })
      .input(z.object({ quantity: z.number() }))
      .mutation(() => {
        if (ran++ < failures) throw new Error('the provider is down');
        return { ran };
      }),
  });
  const server = createServer(
    createHTTPHandler({
      router,
      createContext: ({ req, info }) => ({ idempotency: idempotencyContext({ req, info }), user: 'ada' }),
      responseMeta: idempotent.responseMeta,
    }),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await semel.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const connect = () => {
    const client = createSemelClient({ retry: { baseMs: 400, maxAttempts: 5 }, random: () => 0.5 });
    const trpc = createTRPCClient<typeof router>({
      links: [
        client.link(),
        httpLink({ url, headers: client.headers(() => ({ 'user-agent': 'shop-app/4.1.0 (test)' })) }),
      ],
    });
    return { client, trpc };
  };
  return { signals, connect, ran: () => ran };
}

test('the real client that retries under its one key is no misuse', async () => {
  const shop = await startShop(3);
  const { trpc } = shop.connect();
  expect(await trpc.order.mutate({ quantity: 1 })).toEqual({ ran: 4 });
  expect(shop.signals).toEqual([]);
});

test('an application that throws the real client away and asks with a new one renews the key, and is named', async () => {
  const shop = await startShop(3);
  for (let attempt = 0; attempt < 3; attempt++) {
    const { trpc } = shop.connect();
    const controller = new AbortController();
    const ran = shop.ran();
    const lost = trpc.order.mutate({ quantity: 1 }, { signal: controller.signal }).catch(() => {});
    await expect.poll(shop.ran).toBeGreaterThan(ran);
    controller.abort();
    await lost;
  }
  await expect.poll(() => shop.signals).toHaveLength(1);
  expect(shop.signals).toEqual([
    {
      type: 'misuse',
      signal: 'renewed_key',
      scope: 'ada',
      procedure: 'order',
      clientVersion: 'shop-app/4.1.0',
      count: 3,
      suppressed: 0,
      windowMs: 60_000,
    },
  ]);
});

test('plain HTTP names the client too, by its User-Agent or as the application has it', async () => {
  for (const [clientVersion, named] of [
    [undefined, 'curl/8.5.0'],
    [(request: Request) => request.headers.get('x-app') ?? undefined, 'shop-ios/7'],
  ] as const) {
    const signals: SemelEvent[] = [];
    const semel = createSemel({
      store: createMemoryStore(),
      recovery: false,
      onEvent: (event) => event.type === 'misuse' && signals.push(event),
    });
    const idempotent = httpIdempotency({
      semel,
      scope: () => 'ada',
      ...(clientVersion && { clientVersion }),
    });
    const order = idempotent({ name: 'orders.create', mode: 'leased' }, () => Response.json({}));
    for (let i = 0; i < 4; i++) {
      const headers = {
        'Idempotency-Key': crypto.randomUUID(),
        'user-agent': 'curl/8.5.0',
        'x-app': 'shop-ios/7',
      };
      await order(new Request('http://shop/orders', { method: 'POST', headers, body: '{"quantity":1}' }));
    }
    expect(signals).toMatchObject([
      { signal: 'renewed_key', procedure: 'orders.create', clientVersion: named },
    ]);
    await semel.close();
  }
});
