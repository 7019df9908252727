import { expect } from 'vitest';
import type { JobsCase } from './case.ts';
import { createGate, isOf, type Stage, uuid } from './stage.ts';

/** By the time a job sent later is through, and the consumer has ended, one too many would have come. */
async function deliveredAfterAll<Tx>({ consume, job, send }: Stage<Tx>): Promise<readonly unknown[]> {
  const last = job();
  await send(last);
  const { consumer, delivered, until } = await consume({ concurrency: 1 });
  await until(isOf(last));
  await consumer.stop(10_000);
  return delivered.filter((each) => !isOf(last)(each));
}

export const identityCases: readonly JobsCase[] = [
  {
    title: 'an id sent twice is one job',
    async run(stage) {
      const sent = stage.job();
      const id = uuid();
      await stage.send(sent, { id });
      await stage.send(sent, { id });
      expect(await deliveredAfterAll(stage)).toEqual([sent]);
    },
  },
  {
    title: 'an id sent twice in one transaction is one job, and the transaction goes on',
    async run(stage) {
      const [sent, after] = [stage.job(), stage.job()];
      const id = uuid();
      await stage.transaction(async (tx) => {
        await stage.send(sent, { tx, id });
        await stage.send(sent, { tx, id });
        await stage.send(after, { tx });
      });
      const delivered = await deliveredAfterAll(stage);
      expect(delivered).toHaveLength(2);
      expect(delivered).toEqual(expect.arrayContaining([sent, after]));
    },
  },
  {
    title: 'an id that is in the queue already doesn’t break the transaction that sends it',
    async run(stage) {
      const [sent, after] = [stage.job(), stage.job()];
      const id = uuid();
      await stage.send(sent, { id });
      await stage.transaction(async (tx) => {
        await stage.send(sent, { tx, id });
        await stage.send(after, { tx });
      });
      const delivered = await deliveredAfterAll(stage);
      expect(delivered).toHaveLength(2);
      expect(delivered).toEqual(expect.arrayContaining([sent, after]));
    },
  },
  {
    title: 'two transactions that send one id at the same time are both committed, and make one job',
    async run(stage) {
      const sent = stage.job();
      const id = uuid();
      const both = [1, 2].map(() => stage.transaction((tx) => stage.send(sent, { tx, id })));
      await Promise.all(both);
      expect(await deliveredAfterAll(stage)).toEqual([sent]);
    },
  },
  {
    title: 'an id whose sender was rolled back can be sent again',
    async run(stage) {
      const sent = stage.job();
      const id = uuid();
      const refused = stage.transaction(async (tx) => {
        await stage.send(sent, { tx, id });
        throw new Error('rolled back');
      });
      await expect(refused).rejects.toThrow('rolled back');
      await stage.send(sent, { id });
      expect(await deliveredAfterAll(stage)).toEqual([sent]);
    },
  },
  {
    title: 'an id that is sent while its job is being delivered makes no second one',
    async run(stage) {
      const sent = stage.job();
      const id = uuid();
      const gate = createGate();
      await stage.send(sent, { id });
      const first = await stage.consume({ concurrency: 1, handle: () => gate.opened });
      await first.until(isOf(sent));
      await stage.send(sent, { id });
      gate.open();
      await first.consumer.stop(10_000);
      expect(first.delivered).toEqual([sent]);
      expect(await deliveredAfterAll(stage)).toEqual([]);
    },
  },
  {
    title: 'one operation may have several jobs, each with an id of its own',
    async run(stage) {
      const sent = stage.job();
      await stage.send(sent);
      await stage.send(sent);
      expect(await deliveredAfterAll(stage)).toEqual([sent, sent]);
    },
  },
];
