import { outcomeOf } from '@semel/client';
import type { OperationStatus } from '@semel/contract/v1/pure';
import { createTcpProxy } from '@semel/testing/faults';
import { expect, inject, test } from 'vitest';
import { type Carrier, connect } from './client.ts';
import { afterwards, setStage } from './stage.ts';

const order = { amount: 5n, due: new Date(0) };

/** A held payout and who watches it. `seen` resolves with what was told once a predicate holds of it. */
async function watched(carrier: Carrier, { throughProxy = false } = {}) {
  const stage = await setStage(inject('databaseUrl'));
  const gates = { begun: Promise.withResolvers<void>(), sent: Promise.withResolvers<void>() };
  const server = await stage.server({ work: false, hooks: { reached: (at) => gates[at].promise } });
  const proxy = throughProxy
    ? await createTcpProxy({ target: { host: '127.0.0.1', port: Number(new URL(server.url).port) } })
    : undefined;
  if (proxy) afterwards(proxy.close);
  const at = `127.0.0.1:${proxy?.port ?? new URL(server.url).port}`;
  const { api } = connect(
    carrier,
    { url: `http://${at}`, wsUrl: `ws://${at}` },
    { accepted: { wait: false } },
  );
  const accepted = await outcomeOf(() => api.pay.mutate(order, { context: { idempotencyKey: 'k' } }));
  if (accepted.status !== 'accepted') throw new Error('unreachable');
  const told: OperationStatus[] = [];
  const completed = Promise.withResolvers<void>();
  const subscription = api.idempotency.updates.subscribe(
    { operationId: accepted.operationId },
    {
      onData: ({ data }) => void told.push(data),
      onError: completed.reject,
      onComplete: completed.resolve,
    },
  );
  afterwards(() => subscription.unsubscribe());
  const states = () => told.map(({ state }) => state);
  const progress = () => told.flatMap((status) => ('progress' in status ? [status.progress] : []));
  const until = (holds: () => boolean) => expect.poll(holds, { timeout: 20_000, interval: 10 }).toBe(true);
  return { server, gates, proxy, told, states, progress, until, completed: completed.promise };
}

test.each(['httpLink', 'wsLink'] as const)(
  'over %s a subscriber is told of each state, of progress, and of the end',
  async (carrier) => {
    const { server, gates, told, states, progress, until, completed } = await watched(carrier);
    await until(() => states().includes('accepted'));
    server.startWorker();
    await until(() => progress().length > 0);
    expect(progress()[0]).toStrictEqual({ done: 1, of: 3 });
    gates.begun.resolve();
    // Another change may be told first, with the progress that there was.
    await until(() => (progress().at(-1) as { done: number }).done === 2);
    gates.sent.resolve();
    await completed;
    expect([...new Set(states())]).toStrictEqual(['accepted', 'processing', 'completed']);
    expect(told.at(-1)).toMatchObject({ attempt: 1, outcome: { ok: true } });
    // Only changes are told.
    const texts = told.map((status) => JSON.stringify(status));
    expect(new Set(texts).size).toBe(texts.length);
  },
);

test.each(['httpLink', 'wsLink'] as const)(
  'over %s a subscriber whose connection broke is told of the end that it missed',
  async (carrier) => {
    const { server, gates, proxy, states, until, completed } = await watched(carrier, { throughProxy: true });
    await until(() => states().includes('accepted'));
    proxy?.cut();
    gates.begun.resolve();
    gates.sent.resolve();
    server.startWorker();
    await completed;
    expect(states().at(-1)).toBe('completed');
  },
);
