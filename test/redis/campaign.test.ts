import { expect, test } from 'vitest';
import { runCampaign } from './campaign/campaign.ts';
import { SHORT } from './campaign/plans.ts';
import { tableOf, verdictOf } from './campaign/report.ts';

// The short form; `npm run campaign:redis` is the long one. It kills Postgres, so it needs one of its own.
test.skipIf(process.env.DATABASE_URL !== undefined)(
  'Redis breaks in every way under load and Postgres is killed in between: nothing twice, nothing lost, nothing stuck',
  { timeout: 480_000 },
  async () => {
    const result = await runCampaign({ ...SHORT, seed: 1, tell: () => {} });
    console.log(`${tableOf(result.struck)}\n${verdictOf(result).text}`);
    expect(result.violations).toEqual({
      duplicates: [],
      lost: [],
      contradictions: [],
      stuck: [],
      leftOut: [],
    });
    expect(result.operations).toBeGreaterThanOrEqual(1_000);
    expect(result.struck.map(({ setting }) => setting)).toEqual([
      ...['standalone', 'standalone', 'standalone', 'standalone', 'standalone'],
      ...['sentinel', 'cluster', 'cluster'],
    ]);
    // It was Redis that was broken: each layer answered, and Redis was left out at times.
    for (const what of ['process', 'redis', 'store', 'opened'] as const) {
      expect(result.struck.reduce((sum, one) => sum + one[what], 0)).toBeGreaterThan(0);
    }
  },
);
