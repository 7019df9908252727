import assert from 'node:assert/strict';
import type { StoreCase } from './case.ts';
import { queuedSkewCases } from './queued-skew.ts';
import {
  completed,
  HOUR,
  lost,
  MINUTE,
  POLICY,
  RECOVERY,
  type Stage,
  sweepAll,
  TRACE,
  won,
  YEAR,
} from './stage.ts';

/** Lets this process believe in another time while `run` runs. Only `Date` lies: timers go on. */
async function withWrongClock(offsetMs: number, run: () => Promise<void>): Promise<void> {
  const Real = globalThis.Date;
  class WrongDate extends Real {
    constructor(...args: unknown[]) {
      if (args.length === 0) super(Real.now() + offsetMs);
      else super(...(args as [number]));
    }
    static override now(): number {
      return Real.now() + offsetMs;
    }
  }
  globalThis.Date = WrongDate as DateConstructor;
  try {
    await run();
  } finally {
    globalThis.Date = Real;
  }
}

export const skewCases: readonly StoreCase[] = [
  {
    title: 'ends no lease and frees no key early for a process whose clock is ahead',
    async run(stage) {
      const { store, running, settledAs, again, record } = stage;
      const alive = await running();
      const settled = await settledAs('completed');
      const seen = [await record(alive), await record(settled)] as const;
      await withWrongClock(2 * YEAR, async () => {
        lost(await store.take(again(alive), seen[0], 'overtaken'));
        lost(await store.take(again(settled), seen[1], 'expired'));
        await store.suspendOrphan(seen[0], RECOVERY);
        await sweepAll(() => store.sweepOrphans({ limit: 100, trace: RECOVERY }));
        await sweepAll(() => store.sweepExpired({ limit: 100 }));
      });
      assert.deepEqual([await record(alive), await record(settled)], seen);
    },
  },
  {
    title: 'ends leases and frees keys in time for a process whose clock is behind',
    async run({ store, running, settledAs, again, record, travel }) {
      const orphan = await running();
      const settled = await settledAs('completed');
      await travel(POLICY.ttlMs + 13 * MINUTE);
      await withWrongClock(-2 * YEAR, async () => {
        won(await store.take(again(orphan), await record(orphan), 'overtaken'));
        won(await store.take(again(settled), await record(settled), 'expired'));
      });
    },
  },
  {
    title: 'writes the times of its own clock, whatever the process believes',
    run: (stage) => writesItsOwnTimes(stage),
  },
  ...queuedSkewCases(withWrongClock),
];

async function writesItsOwnTimes({ store, running, see }: Stage): Promise<void> {
  const before = await see(await running());
  for (const offset of [5 * HOUR, -5 * HOUR])
    await withWrongClock(offset, async () => {
      const claim = await running();
      await store.renew([claim]);
      const { record, now } = await see(claim);
      const near = (at = 0) => Math.abs(at - before.now) < 5 * MINUTE;
      assert.ok(near(now) && near(claim.now) && near(record.createdAt) && near(record.firstClaimedAt));
      assert.ok(near((record.leaseUntil ?? 0) - POLICY.leaseMs));
      await store.settle(claim, completed(), TRACE);
      const settled = await see(claim);
      assert.ok(near(settled.record.updatedAt) && near((settled.record.expiresAt ?? 0) - POLICY.ttlMs));
      for (const { at } of await store.history(claim.operationId)) assert.ok(near(at));
    });
}
