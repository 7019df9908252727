import { expect, test, vi } from 'vitest';
import type { Stranded } from '../store/queue-port.ts';
import type { SemelEvent } from '../telemetry/events.ts';
import { createHealer } from './heal.ts';
import { jobId } from './job-id.ts';
import { createMemoryJobs } from './memory-jobs.ts';
import type { Jobs } from './port.ts';

const stranded = (operationId: string, state: Stranded['state']): Stranded => ({
  operationId,
  scope: 's',
  procedure: 'p',
  state,
  version: 3,
});

async function setUp(lost: readonly Stranded[], waiting: readonly string[]) {
  const memory = createMemoryJobs();
  for (const operationId of waiting) {
    const job = { v: 1 as const, operationId, scope: 's', procedure: 'p' };
    await memory.send(undefined, job, { id: operationId, delayMs: 0 });
  }
  const sent: { operationId: string; id: string }[] = [];
  const send: Jobs['send'] = async (_tx, job, options) => {
    sent.push({ operationId: job.operationId, id: options.id });
    await memory.send(undefined, job, options);
  };
  const events: SemelEvent[] = [];
  const queue = { stranded: vi.fn(async () => lost) };
  const heal = createHealer({ queue, jobs: { ...memory, send }, emit: (event) => void events.push(event) });
  return { heal: () => heal({ limit: 10, graceMs: 30_000 }), sent, events, queue };
}

test('what is accepted gets a job with a new id, unless one waits', async () => {
  const lost = [stranded('waits', 'accepted'), stranded('lost', 'accepted')];
  const { heal, sent, events, queue } = await setUp(lost, ['waits']);
  expect(await heal()).toBe(1);
  expect(queue.stranded).toHaveBeenCalledWith({ limit: 10, graceMs: 30_000 });
  expect(sent).toMatchObject([{ operationId: 'lost' }]);
  expect(sent[0]?.id).not.toBe(jobId('lost', 3));
  expect(events).toEqual([
    { type: 'healed', state: 'accepted', operationId: 'lost', scope: 's', procedure: 'p' },
  ]);
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
