import { expect } from 'vitest';
import type { JobsCase } from './case.ts';
import { createGate, eventually, isOf } from './stage.ts';

export const waitingCases: readonly JobsCase[] = [
  {
    title: 'a job waits from the moment it is sent, also when it isn’t due yet',
    async run({ job, send, jobs }) {
      const [now, later, never] = [job(), job(), job()];
      await send(now);
      await send(later, { delayMs: 3_600_000 });
      const waiting = await jobs.waiting([now.operationId, later.operationId, never.operationId]);
      expect(waiting).toEqual(new Set([now.operationId, later.operationId]));
    },
  },
  {
    title: 'only those are named that were asked about',
    async run({ job, send, jobs }) {
      const [one, two] = [job(), job()];
      await send(one);
      await send(two);
      expect(await jobs.waiting([one.operationId])).toEqual(new Set([one.operationId]));
      expect(await jobs.waiting([])).toEqual(new Set());
    },
  },
  {
    title: 'a job that is being delivered still waits, and one that was dealt with doesn’t',
    async run({ job, send, jobs, consume }) {
      const sent = job();
      const gate = createGate();
      await send(sent);
      const { consumer, until } = await consume({ handle: () => gate.opened });
      await until(isOf(sent));
      expect(await jobs.waiting([sent.operationId])).toEqual(new Set([sent.operationId]));
      gate.open();
      await consumer.stop(10_000);
      expect(await jobs.waiting([sent.operationId])).toEqual(new Set());
    },
  },
  {
    title: 'a job whose delivery rejected waits',
    async run({ job, send, jobs, consume }) {
      const sent = job();
      await send(sent);
      const { consumer, until } = await consume({
        handle: () => {
          throw new Error('not now');
        },
      });
      await until(isOf(sent));
      await consumer.stop(10_000);
      expect(await jobs.waiting([sent.operationId])).toEqual(new Set([sent.operationId]));
    },
  },
  {
    title: 'what another process sent waits here too',
    needs: 'second',
    async run({ job, jobs, other, consume }) {
      const sent = job();
      await (await other()).send(undefined, sent, { id: crypto.randomUUID(), delayMs: 0 });
      expect(await jobs.waiting([sent.operationId])).toEqual(new Set([sent.operationId]));
      const { until } = await consume();
      await until(isOf(sent));
      await eventually(async () => (await jobs.waiting([sent.operationId])).size === 0);
    },
  },
];
