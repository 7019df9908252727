import { createMemoryJobs, createMemoryStore, createSemel } from '@semel/server';
import { inspect } from '@semel/server/inspect';
import { trpcIdempotency } from '@semel/server/trpc';
import { expect, test } from 'vitest';
import { createEnrollment } from './enrollments/create-enrollment.ts';
import { createPayment } from './payments/create-payment.ts';
import { createPayout } from './payouts/create-payout.ts';
import type { Parts } from './procedures/parts.ts';
import { createRouter } from './procedures/router.ts';
import { readSettings } from './settings.ts';

/** Looked at and never called: it needs neither a database nor a provider. */
function router() {
  const semel = createSemel({ store: createMemoryStore(), jobs: createMemoryJobs(), recovery: false });
  const idempotent = trpcIdempotency({ semel, scope: (ctx: { tenant: string }) => ctx.tenant });
  const settings = readSettings({
    BILLING_URL: 'http://127.0.0.1:1',
    ROSTER_URL: 'http://127.0.0.1:1',
  });
  return createRouter({ idempotent, settings } as unknown as Parts);
}

test('this server has no errors or warnings, and every mutation of it is protected', async () => {
  const handlers = {
    'payments.create': createPayment,
    'payouts.create': createPayout,
    'enrollments.create': createEnrollment,
  };
  const { findings, summary } = await inspect(router(), { handlers });
  expect(findings.filter(({ severity }) => severity !== 'advice')).toEqual([]);
  // The default of 24 h is meant so here.
  expect(new Set(findings.map(({ code }) => code))).toEqual(new Set(['default_ttl']));
  expect(summary.mutations).toBeGreaterThanOrEqual(4);
  expect(summary.protected).toBe(summary.mutations);
});
