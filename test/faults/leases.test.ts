import type { IdempotencyPolicy, Operation } from '@semel/server';
import type { ClientBase } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { createGate } from '../fixtures/gate.ts';
import { mutate } from '../fixtures/plain-client.ts';
import { createStage, type Stage } from '../fixtures/stage.ts';
import { type Behaviour, startTrpcServer } from '../fixtures/trpc-server.ts';

let stage: Stage;
const servers: { close(): Promise<void> }[] = [];
beforeAll(async () => {
  stage = await createStage(inject('databaseUrl'));
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});
afterAll(() => stage.close());

const INPUT = { json: { sku: 'book' } };
async function start(behaviour: Behaviour<ClientBase>, store = stage.openStore()) {
  const server = await startTrpcServer(store, behaviour);
  servers.push(server);
  return server;
}
const record = async (key: string) =>
  (await stage.sql('SELECT state, attempt FROM {s}.operation WHERE key = $1', [key]))[0];

describe('handlers that use up every connection', () => {
  test('keep their leases: after three lease times nobody has taken over, and all of them finish', async () => {
    // Long enough for a machine that is busy elsewhere; renewed every third of it.
    const leaseMs = 1_500;
    const connection = { connectionString: inject('databaseUrl'), connectionTimeoutMillis: 20_000 };
    const store = stage.openStore({ connection, handlerConnections: 2 });
    const gate = createGate();
    const keys = ['pool-0', 'pool-1', 'pool-2', 'pool-3', 'pool-4', 'pool-5'];
    const policy = { effects: 'steps', leaseMs, inFlight: 'conflict' } satisfies Partial<IdempotencyPolicy>;
    const leased = (operation: Operation<ClientBase>) =>
      operation.settle(async (tx) => {
        await tx.query('SELECT 1');
        await gate.pass(); // two are in here, four wait for a connection
        return operation.attempt;
      });
    const a = await start({ policy, leased }, store);
    const b = await start({ policy, leased: () => 'taken over' });
    const calls = keys.map((key) => mutate(a.url, 'leased', INPUT, { key }));
    await gate.reached;
    const claimed = () =>
      stage.sql<{ left: number; held: number }>(
        `SELECT count(*)::int AS held,
          min(extract(epoch FROM clock_timestamp() - claimed_at) * 1000 / lease_ms)::float8 AS left
         FROM {s}.operation WHERE key LIKE 'pool-%' AND state = 'processing'`,
      );
    await expect.poll(async () => (await claimed())[0]?.held, { timeout: 20_000 }).toBe(6);
    // A competitor asks all the while, until each lease has been due three times.
    const codes = new Set<string | undefined>();
    while (((await claimed())[0]?.left ?? 0) < 3) {
      for (const key of keys) codes.add((await mutate(b.url, 'leased', INPUT, { key })).code);
    }
    gate.open();
    const answers = await Promise.all(calls);
    expect([...codes]).toEqual(['in_flight']);
    expect(answers.map(({ status, body }) => [status, body.result?.data.json])).toEqual(
      keys.map(() => [200, 1]),
    );
    for (const key of keys) {
      expect(await stage.history(key)).toEqual([
        'absent -> processing (claimed, 1)',
        'processing -> completed (succeeded, 1)',
      ]);
    }
  });
});

describe('a policy changed between claim and recovery', () => {
  /** Claimed under one policy by a server that is never heard of again; asked of a server with another. */
  async function recovered(key: string, old: Partial<IdempotencyPolicy>, next: Partial<IdempotencyPolicy>) {
    const gate = createGate();
    const a = await start({ policy: old, leased: () => gate.pass() });
    const b = await start({ policy: next, leased: (operation) => `attempt ${operation.attempt}` });
    const late = mutate(a.url, 'leased', INPUT, { key });
    await gate.reached;
    await stage.loseLease(key);
    const answer = await mutate(b.url, 'leased', INPUT, { key });
    gate.open();
    await late;
    return answer;
  }

  test('is not obeyed: what was claimed to be resumed is resumed', async () => {
    const answer = await recovered(
      'was-resume',
      { effects: 'steps' },
      { effects: 'unknown', onCrash: 'suspend' },
    );
    expect([answer.status, answer.body.result?.data.json]).toEqual([200, 'attempt 2']);
  });

  test('is not obeyed: what was claimed to be suspended is suspended', async () => {
    const answer = await recovered(
      'was-suspend',
      { effects: 'unknown' },
      { effects: 'steps', onCrash: 'resume' },
    );
    expect([answer.status, answer.code]).toEqual([409, 'outcome_unknown']);
    expect(await record('was-suspend')).toEqual({ state: 'suspended', attempt: 1 });
  });

  test('is not obeyed: the attempts and the downstream window are those of the record', async () => {
    const generous = { effects: 'steps', maxAttempts: 20 } as const;
    const tired = await recovered('was-tired', { effects: 'steps', maxAttempts: 1 }, generous);
    const stale = await recovered('was-stale', { effects: 'steps', downstreamWindowMs: 1 }, generous);
    expect([tired.code, stale.code]).toEqual(['outcome_unknown', 'outcome_unknown']);
  });

  test('decides only about what is free: a released operation runs in the mode in which it is asked now', async () => {
    const a = await start({
      policy: { effects: 'steps', name: 'moved' },
      leased: () => {
        throw new Error('not now');
      },
    });
    const b = await start({
      policy: { name: 'moved' },
      atomic: (operation) => `attempt ${operation.attempt}`,
    });
    const first = await mutate(a.url, 'leased', INPUT, { key: 'moved' });
    const second = await mutate(b.url, 'atomic', INPUT, { key: 'moved' });
    expect([first.status, second.body.result?.data.json]).toEqual([500, 'attempt 2']);
    expect(await stage.history('moved')).toEqual([
      'absent -> processing (claimed, 1)',
      'processing -> released (released, 1)',
      'released -> completed (succeeded, 2)',
    ]);
  });
});

describe('retention passes while an operation is unfinished', () => {
  /** As if so much time had gone by since everything that happened to it. */
  const travel = (key: string, hours: number) => {
    const times = ['updated_at', 'first_claimed_at', 'claimed_at', 'expires_at'];
    const moved = times.map((column) => `${column} = ${column} - interval '${hours} h'`).join(', ');
    return stage.sql(`UPDATE {s}.operation SET ${moved} WHERE key = $1`, [key]);
  };
  const sweepAll = async () => {
    for (let left = true; left; ) left = !(await stage.store.sweepExpired({ limit: 100 })).complete;
  };

  test('an attempt that runs is neither forgotten nor run a second time', async () => {
    const gate = createGate();
    const policy = {
      effects: 'steps',
      ttlMs: 1000,
      inFlight: 'conflict',
    } satisfies Partial<IdempotencyPolicy>;
    let runs = 0;
    const leased = async () => {
      runs++;
      await gate.pass();
      return 'done';
    };
    const [a, b] = [await start({ policy, leased }), await start({ policy, leased })];
    const call = mutate(a.url, 'leased', INPUT, { key: 'old-running' });
    await gate.reached;
    await travel('old-running', 48);
    await sweepAll();
    const meanwhile = await mutate(b.url, 'leased', INPUT, { key: 'old-running' });
    gate.open();
    expect([meanwhile.code, (await call).status, runs]).toEqual(['in_flight', 200, 1]);
    // Its retention begins when it ends.
    const again = await mutate(b.url, 'leased', INPUT, { key: 'old-running' });
    expect([again.headers.get('idempotency-replayed'), runs]).toEqual(['true', 1]);
  });

  test('a suspended operation stays unknown', async () => {
    const policy = { effects: 'unknown', ttlMs: 1000 } satisfies Partial<IdempotencyPolicy>;
    let runs = 0;
    const server = await start({
      policy,
      leased: (operation) => {
        runs++;
        return operation.step('ask', () => Promise.reject(new Error('no answer')));
      },
    });
    const first = await mutate(server.url, 'leased', INPUT, { key: 'old-suspended' });
    await travel('old-suspended', 48);
    await sweepAll();
    const second = await mutate(server.url, 'leased', INPUT, { key: 'old-suspended' });
    expect([first.code, second.code, runs]).toEqual(['outcome_unknown', 'outcome_unknown', 1]);
  });

  test('a settled one runs anew only when its time and the grace are over', async () => {
    let runs = 0;
    const server = await start({ policy: { ttlMs: 3_600_000 }, leased: () => ++runs });
    const asked = () => mutate(server.url, 'leased', INPUT, { key: 'old-settled' });
    await asked();
    await travel('old-settled', 1); // past expiresAt, within the 10 minutes of grace
    const within = await asked();
    await travel('old-settled', 1);
    const after = await asked();
    expect([within.headers.get('idempotency-replayed'), within.body.result.data.json]).toEqual(['true', 1]);
    expect([after.headers.get('idempotency-replayed'), after.body.result.data.json]).toEqual([null, 2]);
  });
});
