import { expect, test } from 'vitest';
import { bundleChild } from '../fixtures/bundle-child.ts';
import { mutateFirmly } from '../fixtures/plain-client.ts';
import { createStage } from '../fixtures/stage.ts';
import { startPostgres } from '../redis/postgres.ts';

const OPERATIONS = 200;

// A Postgres of its own: another one isn't ours to kill.
test.skipIf(process.env.DATABASE_URL !== undefined)(
  'Postgres is killed twice and started again while two workers run a batch: every job is done once',
  { timeout: 600_000 },
  async () => {
    const [postgres, bundle] = await Promise.all([startPostgres(), bundleChild()]);
    const stage = await createStage(postgres.url);
    try {
      const server = { file: bundle.file, leaseMs: 1_500, queue: 'killed', sweepMs: 500 };
      const front = await stage.start(server);
      await Promise.all([stage.start({ ...server, work: 4 }), stage.start({ ...server, work: 4 })]);
      const keys = Array.from({ length: OPERATIONS }, (_, n) => `killed-${n}`);
      const input = (n: number) => ({ amount: 3, fails: n % 5 === 0 ? 1 : 0 });
      const accepted = Promise.all(
        keys.map((key, n) => mutateFirmly(front.url, 'queuedPay', input(n), { key })),
      );

      const finished = async () => {
        const [counted] = await stage
          .sql<{ n: number }>(`SELECT count(*)::int AS n FROM {s}.operation WHERE state = 'completed'`)
          .catch(() => []);
        return counted?.n ?? 0;
      };
      for (const share of [0.2, 0.5]) {
        await expect.poll(finished, { timeout: 90_000, interval: 20 }).toBeGreaterThan(OPERATIONS * share);
        expect(await finished()).toBeLessThan(OPERATIONS);
        await postgres.killAndRestart();
      }
      for (const answer of await accepted) expect(answer.status).toBeLessThan(300);
      await expect.poll(finished, { timeout: 90_000, interval: 100 }).toBe(OPERATIONS);
      for (const key of keys) {
        expect(await stage.effects(key), key).toEqual({
          orders: 0,
          payments: 1,
          reservations: 0,
          charges: 1,
        });
      }
      await expect
        .poll(() => stage.sql('SELECT singleton_key FROM {s}_jobs.job'), { timeout: 90_000, interval: 250 })
        .toEqual([]);
    } finally {
      bundle.remove();
      await stage.close();
      await postgres.close();
    }
  },
);
