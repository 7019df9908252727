// A journal (or what is asked of the application about it) that throws or hangs: no call waits for it for ever.
import { createTRPCClient } from '@trpc/client';
import { expect, it } from 'vitest';
import {
  createSemelClient,
  type Journal,
  memoryJournal,
  outcomeOf,
  type SemelClientOptions,
  type SemelEvent,
} from '../index.ts';
import { testClock } from '../test-rig/clock.ts';
import { scriptedLink } from '../test-rig/scripted-link.ts';
import type { TestRouter } from '../test-rig/server.ts';

function rig(options: SemelClientOptions) {
  const clock = testClock();
  const events: SemelEvent[] = [];
  const terminating = scriptedLink([{ data: { id: 'order-1', sku: 'a' } }]);
  const semel = createSemelClient({ clock, onEvent: (event) => events.push(event), ...options });
  const client = createTRPCClient<TestRouter>({ links: [semel.link(), terminating.link as never] });
  return {
    clock,
    semel,
    sent: terminating.sent,
    types: () => events.map(({ type }) => type),
    outcome: (context: Record<string, unknown> = {}) =>
      clock.drive(outcomeOf(() => client.orders.create.mutate({ sku: 'a' }, { context }))),
  };
}

const hangs = () => new Promise<never>(() => {});
const fails = () => {
  throw new Error('broken');
};
const over = (wrong: Partial<Journal>): Journal => ({ ...memoryJournal(), ...wrong });

it('rejects a call, and sends nothing, where `scope` throws', async () => {
  const { outcome, sent, types } = rig({ scope: fails });
  expect(await outcome()).toMatchObject({ status: 'rejected', error: { message: 'broken' } });
  expect(sent).toEqual([]);
  expect(types()).toEqual([]);
});

it.each([
  ['throws', fails],
  ['hangs', hangs],
])('sends a call that a page brings back, under a key of its own, where the list %s', async (_, list) => {
  const { outcome, sent, types } = rig({ journal: over({ list }) });
  expect((await outcome({ resume: true })).status).toBe('completed');
  expect(sent).toHaveLength(1);
  expect(types()).toEqual(['journal_error', 'attempt', 'settled']);
});

it.each([
  ['throws', fails],
  ['hangs', hangs],
])('sends an intent that is done and over once more, where striking out %s', async (_, settle) => {
  const { clock, semel, outcome, sent, types } = rig({ journal: over({ settle }), retentionMs: 1_000 });
  await outcome({ intent: semel.intent('pay') });
  clock.jump(2_000);
  expect((await outcome({ intent: semel.intent('pay') })).status).toBe('completed');
  expect(new Set(sent.map(({ key }) => key)).size).toBe(2);
  expect(types()).toContain('journal_error');
});

it('leaves no timer behind for a journal that answers', async () => {
  const { clock, outcome } = rig({ journal: over({}) });
  await outcome();
  await clock.advance(0);
  expect(clock.timers).toBe(0);
});
