import { expect, test, vi } from 'vitest';
import type { Stranded } from '../store/queue-port.ts';
import type { SemelEvent } from '../telemetry/events.ts';
import { createHealer } from './heal.ts';
import { jobId } from './job-id.ts';
import { createMemoryJobs } from './memory-jobs.ts';
import type { Jobs } from './port.ts';

const stranded = (operationId: string, state: Stranded['state'], dueAt = 0): Stranded => ({
  operationId,
  scope: 's',
  procedure: 'p',
  state,
  version: 3,
  dueAt,
});

async function setUp(lost: readonly Stranded[], waiting: readonly string[], onSend: () => void = () => {}) {
  const memory = createMemoryJobs();
  for (const operationId of waiting) {
    const job = { v: 1 as const, operationId, scope: 's', procedure: 'p' };
    await memory.send(undefined, job, { id: operationId, delayMs: 0 });
  }
  const sent: { operationId: string; id: string }[] = [];
  const send: Jobs['send'] = async (_tx, job, options) => {
    onSend();
    sent.push({ operationId: job.operationId, id: options.id });
    await memory.send(undefined, job, options);
  };
  const events: SemelEvent[] = [];
  const queue = {
    stranded: vi.fn(async ({ limit, after }: { limit: number; after?: { dueAt: number } | undefined }) =>
      lost.filter(({ dueAt }) => dueAt > (after?.dueAt ?? -1)).slice(0, limit),
    ),
  };
  const heal = createHealer({ queue, jobs: { ...memory, send }, emit: (event) => void events.push(event) });
  return { heal: () => heal({ limit: 10, graceMs: 30_000 }), sent, events, queue };
}

test('what is accepted gets a job with a new id, unless one waits', async () => {
  const lost = [stranded('waits', 'accepted'), stranded('lost', 'accepted')];
  const { heal, sent, events, queue } = await setUp(lost, ['waits']);
  expect(await heal()).toBe(1);
  expect(queue.stranded).toHaveBeenCalledWith({ limit: 10, graceMs: 30_000, after: undefined });
  expect(sent).toMatchObject([{ operationId: 'lost' }]);
  expect(sent[0]?.id).not.toBe(jobId('lost', 3));
  expect(events).toEqual([
    { type: 'healed', state: 'accepted', operationId: 'lost', scope: 's', procedure: 'p' },
  ]);
});

test('what has lost its job is found behind any number of others that only wait', async () => {
  const waiting = Array.from({ length: 250 }, (_, i) => `waits ${i}`);
  const all = waiting.map((operationId, i) => stranded(operationId, 'accepted', i));
  const { heal, sent, queue } = await setUp([...all, stranded('lost', 'accepted', 250)], waiting);
  // Ten pages of ten at a time: it goes on where it stopped, and begins anew when it has come to the end.
  expect([await heal(), await heal(), await heal()]).toEqual([0, 0, 1]);
  expect(sent).toMatchObject([{ operationId: 'lost' }]);
  expect(queue.stranded).toHaveBeenCalledTimes(26);
  await heal();
  expect(queue.stranded.mock.calls[26]?.[0]).toMatchObject({ after: undefined });
});

test('what a queue that is away did not take is met again by the next look', async () => {
  const lost = Array.from({ length: 15 }, (_, i) => stranded(`lost ${i}`, 'accepted', i));
  let away = true;
  const { heal, sent } = await setUp(lost, [], () => {
    if (away) throw new Error('the queue is away');
  });
  await expect(heal()).rejects.toThrow('the queue is away');
  away = false;
  expect(await heal()).toBe(15);
  expect(new Set(sent.map(({ operationId }) => operationId)).size).toBe(15);
});

test('a lost attempt gets one job beside that of the dead, however often somebody looks', async () => {
  const { heal, sent } = await setUp([stranded('died', 'processing')], ['died']);
  expect([await heal(), await heal()]).toEqual([1, 0]);
  expect(sent).toEqual([{ operationId: 'died', id: jobId('died', 3) }]);
});

test('a lost attempt that has no job gets one with a new id: the queue may have lost the one it was given before', async () => {
  const { heal, sent } = await setUp([stranded('died', 'processing')], []);
  expect(await heal()).toBe(1);
  expect(sent[0]?.id).not.toBe(jobId('died', 3));
});
