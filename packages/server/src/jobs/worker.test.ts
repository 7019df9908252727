import { expect, test, vi } from 'vitest';
import type { SemelEvent } from '../telemetry/events.ts';
import { createMemoryJobs } from './memory-jobs.ts';
import type { Jobs } from './port.ts';
import { createWorker, type WorkerOptions, type WorkerParts } from './worker.ts';

function setUp(change: Partial<WorkerParts<never>> = {}, options: WorkerOptions = {}) {
  const events: SemelEvent[] = [];
  const jobs = createMemoryJobs({ againMs: 1 }) as Jobs<never>;
  const parts: WorkerParts<never> = {
    jobs,
    queue: { stranded: async () => [] },
    emit: (event) => void events.push(event),
    execute: async () => 'ran',
    offer: async () => [],
    handOver: async () => undefined,
    ...change,
  };
  return { worker: createWorker(parts, options), jobs, events };
}
const job = { v: 1, operationId: 'o', scope: 's', procedure: 'p' } as const;

test('what lies in the queue and is no job is set aside, once', async () => {
  const { worker, jobs, events } = setUp();
  await jobs.send(undefined, { v: 2, rubbish: true } as never, { id: 'a', delayMs: 0 });
  await vi.waitFor(() => expect(events).toEqual([{ type: 'job_unreadable' }]));
  await worker.close(1000);
  expect(events).toHaveLength(1);
});

test('a delivery that can not be dealt with comes again', async () => {
  let deliveries = 0;
  const { worker, jobs, events } = setUp({
    execute: async () => {
      if (++deliveries < 3) throw new Error('the store is away');
    },
  });
  await jobs.send(undefined, job, { id: 'a', delayMs: 0 });
  await vi.waitFor(() => expect(deliveries).toBe(3));
  expect(events.map(({ type }) => type)).toEqual(['worker_failed', 'worker_failed']);
  await worker.close(1000);
});

test('asks no more resolvers at a time than four, and goes on when one has answered', async () => {
  const limits: number[] = [];
  const answers: PromiseWithResolvers<void>[] = [];
  const { worker } = setUp(
    {
      offer: async ({ limit }) => {
        limits.push(limit);
        const asked = Array.from({ length: Math.min(limit, 3) }, () => Promise.withResolvers<void>());
        answers.push(...asked);
        return asked.map(({ promise }) => promise);
      },
    },
    { resolveEveryMs: 1 },
  );
  await vi.waitFor(() => expect(limits).toEqual([4, 1]));
  answers[0]?.resolve();
  await vi.waitFor(() => expect(limits).toEqual([4, 1, 1]));
  for (const answer of answers) answer.resolve();
  await worker.close(1000);
});

test('closing hands over what still runs at the deadline, once, however often it is asked', async () => {
  const handOver = vi.fn(async () => undefined);
  const begun = Promise.withResolvers<void>();
  const { worker, jobs } = setUp({
    handOver,
    execute: () => {
      begun.resolve();
      return new Promise(() => undefined);
    },
  });
  await jobs.send(undefined, job, { id: 'a', delayMs: 0 });
  await begun.promise;
  await Promise.all([worker.close(1), worker.close(1)]);
  expect(handOver).toHaveBeenCalledTimes(1);
});

test('refuses a concurrency that is none', () => {
  expect(() => setUp({}, { concurrency: 0 })).toThrow(
    'concurrency is a whole number between 1 and 1000, not 0',
  );
});
