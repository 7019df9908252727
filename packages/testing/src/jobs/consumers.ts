import { expect } from 'vitest';
import type { JobsCase } from './case.ts';
import { createGate, eventually, isOf } from './stage.ts';

export const consumerCases: readonly JobsCase[] = [
  {
    title: 'no more jobs are delivered at the same time than were asked for, and no fewer',
    async run({ job, send, consume }) {
      const sent = Array.from({ length: 9 }, job);
      for (const each of sent) await send(each);
      const gate = createGate();
      const { delivered, running, consumer } = await consume({ concurrency: 3, handle: () => gate.opened });
      await eventually(() => running.now >= 3);
      gate.open();
      await eventually(() => delivered.length === 9);
      await consumer.stop(10_000);
      expect(running.most).toBe(3);
    },
  },
  {
    title: 'a place that comes free is given to the next job, while the others are still taken',
    async run({ job, send, consume }) {
      const [stuck, ...others] = [job(), job(), job(), job(), job()] as const;
      const gate = createGate();
      await send(stuck);
      const { until, delivered } = await consume({
        concurrency: 2,
        handle: (each) => (isOf(stuck)(each) ? gate.opened : undefined),
      });
      await until(isOf(stuck));
      for (const each of others) await send(each);
      for (const each of others) await until(isOf(each));
      expect(delivered).toHaveLength(5);
      gate.open();
    },
  },
  {
    title: 'two consumers share the jobs, and each gets its own',
    needs: 'second',
    async run({ job, send, consume, other }) {
      const sent = Array.from({ length: 10 }, job);
      const gate = createGate();
      const handle = () => gate.opened;
      const one = await consume({ concurrency: 2, handle });
      const two = await consume({ concurrency: 2, handle, jobs: await other() });
      for (const each of sent) await send(each);
      await eventually(() => one.running.now === 2 && two.running.now === 2);
      gate.open();
      await eventually(() => one.delivered.length + two.delivered.length === 10);
      expect([...one.delivered, ...two.delivered]).toEqual(expect.arrayContaining(sent));
    },
  },
  {
    title: 'stop waits for what runs, and delivers nothing after it was called',
    async run({ job, send, consume, jobs }) {
      const [running, later] = [job(), job()];
      const gate = createGate();
      await send(running);
      const first = await consume({ concurrency: 2, handle: () => gate.opened });
      await first.until(isOf(running));
      let stopped = false;
      const stopping = first.consumer.stop(30_000).then(() => {
        stopped = true;
      });
      await send(later);
      const second = await consume();
      await second.until(isOf(later));
      // Nothing says that it won't resolve; it gets the time to do it wrongly.
      await Promise.race([stopping, new Promise((resolve) => setTimeout(resolve, 50))]);
      expect(stopped).toBe(false);
      gate.open();
      await stopping;
      expect(first.delivered).toEqual([running]);
      expect(second.delivered).toEqual([later]);
      expect(await jobs.waiting([running.operationId])).toEqual(new Set());
    },
  },
  {
    title: 'stop resolves at its deadline, whatever runs',
    async run({ job, send, consume, jobs }) {
      const sent = job();
      const gate = createGate();
      await send(sent);
      const { until, consumer, running } = await consume({ handle: () => gate.opened });
      await until(isOf(sent));
      await consumer.stop(1);
      expect(running.now).toBe(1);
      expect(await jobs.waiting([sent.operationId])).toEqual(new Set([sent.operationId]));
      gate.open();
    },
  },
  {
    title: 'what nobody consumes any more stays for the next consumer',
    async run({ job, send, consume }) {
      const first = await consume();
      await first.consumer.stop(10_000);
      const sent = job();
      await send(sent);
      const second = await consume();
      await Promise.race([first.until(isOf(sent)), second.until(isOf(sent))]);
      expect(first.delivered).toEqual([]);
    },
  },
];
