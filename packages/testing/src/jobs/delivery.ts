import type { Job } from '@semel/contract/v1/pure';
import { expect } from 'vitest';
import type { JobsCase } from './case.ts';
import { isOf, operationOf } from './stage.ts';

export const deliveryCases: readonly JobsCase[] = [
  {
    title: 'a job that was sent before anybody consumed is delivered as it was sent',
    async run({ job, send, consume }) {
      const sent: Job = { ...job(), traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' };
      await send(sent);
      const { until, delivered } = await consume();
      await until(isOf(sent));
      expect(delivered).toEqual([sent]);
    },
  },
  {
    title: 'a job that is sent while somebody consumes is delivered',
    async run({ job, send, consume }) {
      const { until, delivered } = await consume();
      const sent = job();
      await send(sent);
      await until(isOf(sent));
      expect(delivered).toEqual([sent]);
    },
  },
  {
    title: 'a delayed job lets those pass that are due, and comes when it is due',
    async run({ job, send, consume }) {
      const [late, soon] = [job(), job()];
      await send(late, { delayMs: 2_000 });
      await send(soon);
      const { until, delivered } = await consume();
      await until(isOf(soon));
      expect(delivered).toEqual([soon]);
      await until(isOf(late));
      expect(delivered).toEqual([soon, late]);
    },
  },
  {
    title: 'a job whose delivery rejects comes again, the same',
    async run({ job, send, consume }) {
      const sent = job();
      await send(sent);
      let deliveries = 0;
      const settled = Promise.withResolvers<void>();
      const { consumer, delivered } = await consume({
        handle: () => {
          deliveries++;
          if (deliveries < 3) throw new Error('the database is away');
          settled.resolve();
        },
      });
      await settled.promise;
      await consumer.stop(10_000);
      expect(delivered).toEqual([sent, sent, sent]);
    },
  },
  {
    title: 'a job whose delivery rejects holds up no others',
    async run({ job, send, consume }) {
      const [bad, good] = [job(), job()];
      await send(bad);
      const { until, delivered } = await consume({
        concurrency: 1,
        handle: (delivered) => {
          if (isOf(bad)(delivered)) throw new Error('never');
        },
      });
      await until(isOf(bad));
      await send(good);
      await until(isOf(good));
      expect(delivered).toContainEqual(good);
    },
  },
  {
    title: 'what isn’t a job reaches the worker as it lies in the queue',
    async run({ job, send, consume, jobs }) {
      const garbage = [{ v: 2, operationId: 7 }, { nothing: 'of use' }, 'text', 41, null, ['a', 'list']];
      for (const each of garbage) await send(each as unknown as Job);
      const last = job();
      await send(last);
      expect(await jobs.waiting([last.operationId])).toEqual(new Set([last.operationId]));
      const { until, delivered } = await consume({ concurrency: 1 });
      await until(() => delivered.length === 7);
      expect(delivered).toEqual(expect.arrayContaining([...garbage, last]));
    },
  },
  {
    title: 'of a thousand jobs each is delivered',
    async run({ job, send, consume }) {
      const sent = Array.from({ length: 1_000 }, job);
      const { until, running } = await consume({ concurrency: 8 });
      for (let from = 0; from < sent.length; from += 50) {
        await Promise.all(sent.slice(from, from + 50).map((each) => send(each)));
      }
      const seen = new Set<unknown>();
      await until((each) => seen.add(operationOf(each)).size === 1_000);
      expect(seen).toEqual(new Set(sent.map(({ operationId }) => operationId)));
      expect(running.most).toBeLessThanOrEqual(8);
    },
  },
];
