import { createTRPCClient, httpLink, type TRPCClientError } from '@trpc/client';
import superjson from 'superjson';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { createSemelClient, type Outcome, outcomeOf, type UnknownReason } from './index.ts';
import { startServer, type TestRouter } from './test-rig/server.ts';

describe('the type of an outcome', () => {
  it('has the procedure’s output and error', () => {
    const semel = createSemelClient();
    const client = createTRPCClient<TestRouter>({
      links: [
        semel.link(),
        httpLink({ url: 'http://x', transformer: superjson, headers: semel.headers(), fetch: semel.fetch() }),
      ],
    });
    const call = () => outcomeOf(() => client.orders.create.mutate({ sku: 'a' }));
    type Got = Awaited<ReturnType<typeof call>>;
    type Completed = Extract<Got, { status: 'completed' }>;
    type Rejected = Extract<Got, { status: 'rejected' }>;
    expectTypeOf<Completed['data']>().toEqualTypeOf<{ id: string; sku: string; at: Date | undefined }>();
    expectTypeOf<Completed['replayed']>().toEqualTypeOf<boolean | undefined>();
    expectTypeOf<Rejected['error']>().toExtend<TRPCClientError<TestRouter>>();
    expectTypeOf<Got['status']>().toEqualTypeOf<
      'completed' | 'accepted' | 'in_flight' | 'unknown' | 'rejected'
    >();
  });

  it('is a union that a switch can exhaust', () => {
    const read = (outcome: Outcome<number>): string => {
      switch (outcome.status) {
        case 'completed':
          expectTypeOf(outcome.data).toEqualTypeOf<number>();
          return 'done';
        case 'accepted':
          expectTypeOf(outcome.wait).returns.resolves.toEqualTypeOf<Outcome<number>>();
          return outcome.operationId;
        case 'in_flight':
          expectTypeOf(outcome.retryAfterMs).toEqualTypeOf<number>();
          return outcome.key;
        case 'unknown':
          expectTypeOf(outcome.reason).toEqualTypeOf<UnknownReason>();
          return outcome.key;
        case 'rejected':
          // @ts-expect-error nothing was done, so there is no data
          return outcome.data;
        default:
          return outcome satisfies never;
      }
    };
    expect(read({ status: 'completed', data: 1, replayed: false, key: 'k' })).toBe('done');
  });

  it('knows the events by their type', () => {
    const semel = createSemelClient();
    semel.on('retry', (event) => expectTypeOf(event.waitMs).toEqualTypeOf<number>());
    // @ts-expect-error no such event
    semel.on('retired', () => {});
  });
});

it('gives two calls that run side by side their own outcomes', async () => {
  await using server = await startServer();
  const semel = createSemelClient();
  const client = createTRPCClient<TestRouter>({
    links: [
      semel.link(),
      httpLink({ url: server.url, transformer: superjson, headers: semel.headers(), fetch: semel.fetch() }),
    ],
  });
  const [paid, refused, query] = await Promise.all([
    outcomeOf(() => client.orders.create.mutate({ sku: 'a' }, { context: { idempotencyKey: 'k1' } })),
    outcomeOf(() => client.cards.charge.mutate({ sku: 'b' }, { context: { idempotencyKey: 'k2' } })),
    outcomeOf(() => client.ping.query()),
  ]);
  expect(paid).toMatchObject({ status: 'completed', key: 'k1' });
  expect(refused).toMatchObject({ status: 'rejected', key: 'k2', error: { message: 'card_declined' } });
  expect(query).toEqual({ status: 'completed', data: 'pong', replayed: undefined, key: undefined });
});

it('leaves no slot open for the next call when a callback throws', async () => {
  const error = new Error('before the call');
  const failing = () => {
    throw error;
  };
  expect(await outcomeOf(failing)).toEqual({ status: 'rejected', error, key: undefined });
});
