import { createSemelClient } from '@semel/client';
import { createTRPCClient, httpLink } from '@trpc/client';
import superjson from 'superjson';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type { AppRouter } from '../procedures/router.ts';
import { createReferenceServer } from '../server.ts';
import { readSettings } from '../settings.ts';
import { createRig, type Rig, refusal, until } from '../testing/rig.ts';
import type {} from '../testing/vitest-context.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await createRig(inject('databaseUrl'), {
    payout: { maxAttempts: 3, backoff: { minMs: 20, maxMs: 50 } },
  });
});
afterAll(() => rig.close());

/** The client library: it asks until the worker has done it. */
function patient(apiKey = 'sk_demo_acme') {
  const semel = createSemelClient();
  return createTRPCClient<AppRouter>({
    links: [
      semel.link(),
      httpLink({
        url: `${rig.server.url}/trpc`,
        transformer: superjson,
        headers: semel.headers(() => ({ authorization: `Bearer ${apiKey}` })),
        fetch: semel.fetch(),
      }),
    ],
  });
}
const payOut = (key: string, destination: string, apiKey?: string) =>
  patient(apiKey).payouts.create.mutate(
    { amount: 500, currency: 'EUR', destination },
    { context: { idempotencyKey: key } },
  );
const payouts = async (id: string) =>
  (await rig.database.pool.query('SELECT state FROM payout.payout WHERE id = $1', [id])).rows;

test('a payout is accepted at once and sent once, however often it is asked for', async () => {
  const body = JSON.stringify({ amount: 500, currency: 'EUR', destination: 'ba_ok' });
  const ask = () =>
    fetch(`${rig.server.url}/v1/payouts`, {
      method: 'POST',
      headers: {
        authorization: 'Bearer sk_demo_acme',
        'content-type': 'application/json',
        'idempotency-key': 'rest-1',
      },
      body,
    });
  const first = await ask();
  expect(first.status).toBe(202);
  expect(Number(first.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  const location = first.headers.get('location') ?? '';
  expect(location).toMatch(/^\/idempotency\/operations\/.+/);
  const accepted = (await first.json()) as { operationId: string };
  expect(accepted).toMatchObject({ $idempotency: 'accepted', pollAfterMs: expect.any(Number) });

  const settled = await until(async () => {
    const answer = await fetch(`${rig.server.url}${location}`, {
      headers: { authorization: 'Bearer sk_demo_acme' },
    });
    const status = (await answer.json()) as { state: string };
    return status.state === 'completed' ? status : undefined;
  });
  expect(settled).toMatchObject({ attempt: 1, procedure: 'payouts.create' });
  const replay = await ask();
  expect(replay.status).toBe(201);
  expect(replay.headers.get('idempotency-replayed')).toBe('true');
  const paid = (await replay.json()) as { id: string };
  expect(await rig.sim.payouts(paid.id)).toHaveLength(1);
  expect(await payouts(paid.id)).toStrictEqual([{ state: 'paid' }]);
});

test('the client waits for the worker and gets the payout with its types', async () => {
  const both = await Promise.all([payOut('wait-1', 'ba_ok'), payOut('wait-1', 'ba_ok')]);
  expect(both[0]).toMatchObject({ state: 'paid', amount: 500, destination: 'ba_ok' });
  expect(both[1]).toStrictEqual(both[0]);
  expect(await rig.sim.payouts(both[0].id)).toHaveLength(1);
});

test('a bank that fails twice is tried again; a lost answer is asked for again; neither pays twice', async () => {
  const [failing, lost] = await Promise.all([payOut('fails-1', 'ba_5xx'), payOut('lost-1', 'ba_lost')]);
  expect(await rig.sim.payouts(failing.id)).toHaveLength(1);
  expect(await rig.sim.payouts(lost.id)).toHaveLength(1);
});

test('a closed account is a stored refusal', async () => {
  const first = await refusal(payOut('closed-1', 'ba_declined'));
  expect(first).toMatchObject({ httpStatus: 402, message: 'The payout was refused: account_closed' });
  expect(await refusal(payOut('closed-1', 'ba_declined'))).toMatchObject({ message: first.message });
});

test('when the retries have run out it is a dead letter, and nobody is told a guess', async () => {
  rig.sim.setFaults({ failNext: 100, status: 503 });
  const client = rig.client('sk_demo_acme', 'dead-1');
  await client.payouts.create.mutate({ amount: 7, currency: 'EUR', destination: 'ba_ok' });
  await until(async () => {
    const { rows } = await rig.database.pool.query(
      `SELECT FROM semel.operation WHERE key = 'dead-1' AND state = 'dead'`,
    );
    return rows[0];
  });
  rig.sim.setFaults({});
  expect(
    await refusal(client.payouts.create.mutate({ amount: 7, currency: 'EUR', destination: 'ba_ok' })),
  ).toMatchObject({ httpStatus: 409, idempotency: { code: 'outcome_unknown', state: 'dead' } });
  expect(rig.logs.find((line) => line.event === 'dead')).toMatchObject({ key: 'dead-1', level: 40 });
});

test('a tenant whose keys were all revoked meanwhile is not paid out for', async () => {
  const idle = await createRig(inject('databaseUrl'), { workerConcurrency: 0 });
  const apiKey = await idle.key('leaver', 'merchant');
  await idle
    .client(apiKey, 'left')
    .payouts.create.mutate({ amount: 2, currency: 'EUR', destination: 'ba_ok' });
  await idle.database.pool.query(
    `UPDATE access.api_key SET revoked_at = clock_timestamp() WHERE tenant_id = 'leaver'`,
  );
  const working = await createReferenceServer({
    settings: {
      ...readSettings({ LOG_LEVEL: 'silent' }),
      port: 0,
      databaseUrl: idle.database.url,
      providerUrl: idle.sim.url,
    },
  });
  // 401 may be put right: it is tried again, and not for ever.
  await until(async () => {
    const { rows } = await idle.database.pool.query(
      `SELECT FROM semel.operation WHERE key = 'left' AND state = 'accepted' AND attempt > 0`,
    );
    return rows[0];
  });
  expect(await idle.sim.payouts()).toEqual([]);
  await working.close();
  await idle.close();
});
