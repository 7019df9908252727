// Without a network: what is waited for, and what that costs. The clock stands still unless it is moved.
import { createTRPCClient } from '@trpc/client';
import { expect, it } from 'vitest';
import { createSemelClient, outcomeOf, type SemelEvent } from '../index.ts';
import { testClock } from '../test-rig/clock.ts';
import { networkError, type Scripted, scriptedLink } from '../test-rig/scripted-link.ts';
import type { TestRouter } from '../test-rig/server.ts';

const ok = { data: { id: 'order-1' } };
function rig(script: Scripted[], options: object = {}) {
  const clock = testClock();
  const terminating = scriptedLink(script);
  const events: SemelEvent[] = [];
  const network = { online: false, back: new Set<() => void>() };
  const semel = createSemelClient({
    clock,
    random: () => 1,
    onEvent: (event) => events.push(event),
    connectivity: {
      online: () => network.online,
      onceOnline(run) {
        network.back.add(run);
        return () => network.back.delete(run);
      },
    },
    ...options,
  });
  const client = createTRPCClient<TestRouter>({ links: [semel.link(), terminating.link] });
  return {
    clock,
    events,
    network,
    sent: terminating.sent,
    pay: (signal?: AbortSignal) =>
      outcomeOf(() => client.orders.create.mutate({ sku: 'a' }, signal ? { signal } : {})),
    comeBack() {
      network.online = true;
      for (const run of [...network.back]) run();
    },
  };
}
const lost = { error: networkError() };

it('sends at once when the network is back, and not before', async () => {
  const { pay, sent, clock, events, comeBack } = rig([lost, ok]);
  const outcome = pay();
  await clock.advance(10_000);
  expect(sent).toHaveLength(1);
  expect(events.map(({ type }) => type)).toEqual(['attempt', 'offline']);
  comeBack();
  expect((await outcome).status).toBe('completed');
  expect(clock.monotonic()).toBe(10_000);
  expect(sent[1]?.ageMs).toBe(10_000);
});

it('charges a missing network neither to attempts nor to the budget', async () => {
  const { pay, clock, comeBack, network, sent } = rig([...Array(8).fill(lost), ok], {
    retry: { maxAttempts: 2, budget: { max: 0, refillPerSuccess: 0 } },
  });
  const outcome = pay();
  for (let i = 0; i < 8; i++) {
    await clock.advance(100);
    comeBack();
    network.online = false;
  }
  expect((await outcome).status).toBe('completed');
  expect(sent).toHaveLength(9);
});

it('tries now and then all the same: a browser that calls itself offline may be wrong', async () => {
  const { pay, clock, sent } = rig([lost, lost, ok]);
  const outcome = pay();
  await clock.advance(60_000);
  expect((await outcome).status).toBe('completed');
  expect(sent).toHaveLength(3);
  expect(clock.timers).toBe(0);
});

it('ends at the deadline as unknown, with one timer and no more attempts', async () => {
  const { pay, clock, sent, network } = rig([lost]);
  const outcome = pay();
  await clock.advance(60_000);
  expect(await outcome).toMatchObject({ status: 'unknown', reason: 'network' });
  expect(sent.length).toBeLessThanOrEqual(4);
  expect(clock.timers).toBe(0);
  expect(network.back.size).toBe(0);
});

it('rejects in the tick of an abort while it waits for the network', async () => {
  const { pay, clock, network } = rig([lost]);
  const user = new AbortController();
  const outcome = pay(user.signal);
  await clock.advance(100);
  user.abort();
  expect(await outcome).toMatchObject({ status: 'unknown', reason: 'aborted' });
  expect(network.back.size).toBe(0);
});
