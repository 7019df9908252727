import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createReferenceServer, type ReferenceServer } from '../server.ts';
import { readSettings } from '../settings.ts';
import { createRig, type Rig, until } from '../testing/rig.ts';
import type {} from '../testing/vitest-context.ts';

const NAME = 'idempotency_procedure="payouts.create"';
let rig: Rig;
let working: ReferenceServer | undefined;
beforeAll(async () => {
  rig = await createRig(inject('databaseUrl'), { workerConcurrency: 0 });
});
afterAll(async () => {
  await working?.close();
  await rig.close();
});

/** The value of the sample of that name whose labels hold all of these. */
async function sample(name: string, ...labels: string[]): Promise<number | undefined> {
  const text = await (await fetch(`${rig.server.url}/metrics`)).text();
  const line = text
    .split('\n')
    .find((one) => one.startsWith(`${name}{`) && [NAME, ...labels].every((label) => one.includes(label)));
  return line === undefined ? undefined : Number(/\} (\S+)/.exec(line)?.[1]);
}
/** Gauges are asked of the store every few seconds at most. */
const becomes = (wanted: number, name: string, ...labels: string[]) =>
  until(async () => ((await sample(name, ...labels)) === wanted ? true : undefined));
const payOut = (key: string) =>
  rig.client('sk_demo_acme', key).payouts.create.mutate({ amount: 7, currency: 'EUR', destination: 'ba_ok' });

test('while payouts wait, their number and the age of the oldest are in the metrics', async () => {
  for (const key of ['one', 'two', 'three']) await payOut(key);
  await becomes(3, 'idempotency_queue_depth', 'idempotency_state="accepted"');
  const first = await sample('idempotency_queue_age', 'idempotency_state="accepted"');
  expect(first).toBeGreaterThan(0);
  await until(async () => {
    const later = await sample('idempotency_queue_age', 'idempotency_state="accepted"');
    return (later ?? 0) > (first ?? 0) ? true : undefined;
  });
  expect(await sample('idempotency_queue_dead_letters_total')).toBe(undefined);
});

test('once they are dead letters: how many, after how many attempts, and that they wait for somebody', async () => {
  rig.sim.setFaults({ failNext: 100, status: 503 });
  working = await createReferenceServer({
    settings: {
      ...readSettings({ LOG_LEVEL: 'silent' }),
      port: 0,
      databaseUrl: rig.database.url,
      providerUrl: rig.sim.url,
      payment: { leaseMs: 30_000, timeoutMs: 1_000, retries: 0 },
    },
  });
  // What they may cost in attempts is on record since they were accepted: as good as used up.
  await rig.database.pool.query(`UPDATE semel.operation SET max_attempts = 2`);
  await becomes(3, 'idempotency_queue_dead_letters_total');
  await becomes(3, 'idempotency_queue_rescheduled_total');
  await becomes(3, 'idempotency_queue_attempts_count', 'idempotency_outcome="dead"');
  await becomes(6, 'idempotency_queue_attempts_sum', 'idempotency_outcome="dead"');
  await becomes(3, 'idempotency_queue_wait_count');
  await becomes(3, 'idempotency_queue_depth', 'idempotency_state="dead"');
  expect(await sample('idempotency_queue_age', 'idempotency_state="dead"')).toBeGreaterThan(0);
  // And that none waits for a worker any more.
  await becomes(0, 'idempotency_queue_depth', 'idempotency_state="accepted"');
  await becomes(0, 'idempotency_queue_age', 'idempotency_state="accepted"');
});
