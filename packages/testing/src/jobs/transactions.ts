import { expect } from 'vitest';
import type { JobsCase } from './case.ts';
import { createGate, isOf } from './stage.ts';

export const transactionCases: readonly JobsCase[] = [
  {
    title: 'a job sent in a transaction is delivered once that is committed, and not before',
    async run({ job, send, consume, transaction, jobs }) {
      const [inside, outside] = [job(), job()];
      const { until, delivered } = await consume();
      await transaction(async (tx) => {
        await send(inside, { tx });
        await send(outside);
        await until(isOf(outside));
        expect(await jobs.waiting([inside.operationId])).toEqual(new Set());
      });
      await until(isOf(inside));
      expect(delivered).toEqual([outside, inside]);
    },
  },
  {
    title: 'a job sent in a transaction that is rolled back doesn’t exist',
    async run({ job, send, consume, transaction, jobs }) {
      const [undone, kept] = [job(), job()];
      const refused = transaction(async (tx) => {
        await send(undone, { tx });
        throw new Error('the handler changed its mind');
      });
      await expect(refused).rejects.toThrow('the handler changed its mind');
      await send(kept);
      expect(await jobs.waiting([undone.operationId, kept.operationId])).toEqual(new Set([kept.operationId]));
      const { until, delivered } = await consume();
      await until(isOf(kept));
      expect(delivered).toEqual([kept]);
    },
  },
  {
    title: 'several jobs of one transaction are delivered together',
    async run({ job, send, consume, transaction }) {
      const sent = [job(), job(), job()];
      await transaction(async (tx) => {
        for (const each of sent) await send(each, { tx });
      });
      const { until, delivered } = await consume();
      for (const each of sent) await until(isOf(each));
      expect(delivered).toHaveLength(3);
    },
  },
  {
    title: 'a delay counts in a transaction too',
    async run({ job, send, consume, transaction }) {
      const [late, soon] = [job(), job()];
      await transaction(async (tx) => {
        await send(late, { tx, delayMs: 2_000 });
        await send(soon, { tx });
      });
      const { until, delivered } = await consume();
      await until(isOf(late));
      expect(delivered).toEqual([soon, late]);
    },
  },
  {
    title: 'transactions that are open at the same time don’t mix',
    async run({ job, send, consume, transaction }) {
      const [kept, undone] = [job(), job()];
      const bothSent = createGate();
      const other = createGate();
      const one = transaction(async (tx) => {
        await send(kept, { tx });
        other.open();
        await bothSent.opened;
      });
      const two = transaction(async (tx) => {
        await other.opened;
        await send(undone, { tx });
        bothSent.open();
        throw new Error('rolled back');
      });
      await Promise.all([one, expect(two).rejects.toThrow('rolled back')]);
      const { until, delivered } = await consume();
      await until(isOf(kept));
      expect(delivered).toEqual([kept]);
    },
  },
];
