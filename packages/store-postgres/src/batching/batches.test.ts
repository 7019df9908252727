import type { Claim, Settlement } from '@semel/server/store';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { textArray } from '../connections/array-literal.ts';
import { COMPLETED, createFixture, FAILED, type Fixture, random, request } from '../testing/fixture.ts';
import type { BatchingKnobs } from './writes.ts';

let db: Fixture;
/** One lane: whatever is asked for in one tick is one batch. */
let store: ReturnType<Fixture['store']>;
beforeAll(async () => {
  db = await createFixture('batches');
  store = db.store({ batching: oneLane });
});
afterAll(() => db.close());

const trace = { actor: 'request', traceId: 'trace-2' };
const oneLane: BatchingKnobs = { lanes: 1 };
const step = (name: string) => ({ name, kind: 'step', fingerprint: '', result: '1', attempt: 1 }) as const;

async function claims(count: number, change: Parameters<typeof request>[0] = {}): Promise<Claim[]> {
  const results = await Promise.all(Array.from({ length: count }, () => store.claim(request(change))));
  return results.flatMap((result) => (result.won ? [result.claim] : []));
}

/** How many transactions wrote these rows. */
async function commits(table: string, claims: readonly { operationId: string }[]): Promise<number> {
  const rows = await db.sql(
    `SELECT DISTINCT xmin::text FROM {s}.${table} WHERE operation_id = ANY ($1::text[])`,
    [claims.map(({ operationId }) => operationId)],
  );
  return rows.length;
}

/** Somebody who is in the middle of a transaction. */
async function locking<T>(statement: string, values: unknown[], meanwhile: () => Promise<T>): Promise<T> {
  const client = new pg.Client(db.pool.options);
  await client.connect();
  try {
    await client.query('BEGIN');
    await client.query(statement.replaceAll('{s}', db.schema), values);
    return await meanwhile();
  } finally {
    await client.end(); // and so ROLLBACK
  }
}

describe('one statement, one commit', () => {
  test('for 64 claims, each as if it had come alone', async () => {
    const asked = Array.from({ length: 64 }, (_, i) =>
      request({
        scope: `tenant "${i}"`,
        fingerprint: `v1:\\{${i}},NULL`,
        policy: {
          ...request().policy,
          leaseMs: 1_000 * (i + 1),
          onCrash: i % 2 === 0 ? 'resume' : 'suspend',
        },
        trace: i % 2 === 0 ? { actor: 'request' } : { actor: `operator:"${i}"`, traceId: `trace-${i}` },
      }),
    );
    const results = await Promise.all(asked.map((each) => store.claim(each)));
    expect(await commits('operation', asked)).toBe(1);
    for (const [i, each] of asked.entries()) {
      const result = results[i];
      const { trace: by, ...rest } = each;
      expect(result).toMatchObject({ won: true, claim: { ...rest, attempt: 1 } });
      const record = (await store.lookup(each))?.record;
      expect(record).toMatchObject({ ...rest, state: 'processing', version: 1 });
      const claim = result?.won ? result.claim : undefined;
      expect(record?.leaseUntil).toBe((claim?.now ?? 0) + each.policy.leaseMs);
      expect(await store.history(each.operationId)).toEqual([
        { seq: 1, from: null, to: 'processing', attempt: 1, at: claim?.now, cause: 'claimed', ...by },
      ]);
    }
  });

  test('for settlements of every kind, with their history', async () => {
    const held = await claims(4);
    const settlements: Settlement[] = [
      { ...COMPLETED, outcome: '{"text":"\\"quoted\\", {curly}, NULL, ü"}' },
      FAILED,
      { to: 'released', cause: 'released' },
      { to: 'suspended', cause: 'outcome_unknown' },
    ];
    const results = await Promise.all(
      held.map((claim, i) => store.settle(claim, settlements[i] as Settlement, trace)),
    );
    expect(await commits('operation', held)).toBe(1);
    for (const [i, claim] of held.entries()) {
      const settlement = settlements[i] as Settlement;
      const record = (await store.lookup(claim))?.record;
      const outcome = 'outcome' in settlement ? settlement.outcome : undefined;
      expect([record?.state, record?.outcome, record?.version]).toEqual([settlement.to, outcome, 2]);
      const expiresAt = record?.expiresAt;
      expect(results[i]).toEqual({
        kind: 'settled',
        ...(expiresAt === undefined ? undefined : { expiresAt }),
      });
      expect((await store.history(claim.operationId))[1]).toEqual({
        seq: 2,
        from: 'processing',
        to: settlement.to,
        attempt: 1,
        at: record?.updatedAt,
        cause: settlement.cause,
        ...trace,
      });
    }
    expect(await commits('transition', held)).toBe(1);
  });

  test('for recovery points, those of one operation among them', async () => {
    const held = await claims(8);
    const results = await Promise.all(
      held.flatMap((claim) => ['charge', 'mail'].map((name) => store.recordStep(claim, step(name), trace))),
    );
    expect(results).toEqual(Array.from({ length: 16 }, () => ({ kind: 'recorded' })));
    expect(await commits('step', held)).toBe(1);
    for (const claim of held)
      expect((await store.steps(claim.operationId)).map(({ name }) => name).sort()).toEqual([
        'charge',
        'mail',
      ]);
  });
});

describe('calls of one batch that concern the same operation', () => {
  test('one of 32 claims of a key wins, the others see its record', async () => {
    const key = random();
    const results = await Promise.all(Array.from({ length: 32 }, () => store.claim(request({ key }))));
    const winners = results.flatMap((result) => (result.won ? [result.claim] : []));
    expect(winners).toHaveLength(1);
    for (const result of results) if (!result.won) expect(result.record.owner).toBe(winners[0]?.owner);
  });

  test('the same request twice wins twice, with one attempt', async () => {
    const asked = request();
    const results = await Promise.all([store.claim(asked), store.claim(asked), store.claim({ ...asked })]);
    expect(results.map((result) => result.won && result.claim.attempt)).toEqual([1, 1, 1]);
    expect(await store.history(asked.operationId)).toHaveLength(1);
  });

  test('another key under the same id is refused, not confused with the first', async () => {
    const asked = request();
    const impostor = request({ operationId: asked.operationId });
    const [first, second] = await Promise.allSettled([store.claim(asked), store.claim(impostor)]);
    expect(first).toMatchObject({ status: 'fulfilled', value: { won: true, claim: { key: asked.key } } });
    expect(second).toMatchObject({
      status: 'rejected',
      reason: { message: expect.stringContaining('has the id') },
    });
  });

  test('the same settlement twice is settled once; another one is overtaken by it', async () => {
    const [claim] = (await claims(1)) as [Claim];
    const results = await Promise.all(
      [COMPLETED, COMPLETED, FAILED].map((settlement) => store.settle(claim, settlement, trace)),
    );
    expect(results.slice(0, 2)).toEqual([results[0], results[0]]);
    expect(results).toMatchObject([
      { kind: 'settled' },
      { kind: 'settled' },
      { kind: 'overtaken', by: { state: 'completed', attempt: 1 } },
    ]);
    expect(await store.history(claim.operationId)).toHaveLength(2);
  });

  test('the same recovery point twice is recorded once', async () => {
    const [claim] = (await claims(1)) as [Claim];
    const twice = [step('charge'), { ...step('charge'), result: '2' }];
    const results = await Promise.all(twice.map((each) => store.recordStep(claim, each, trace)));
    expect(results).toEqual([{ kind: 'recorded' }, { kind: 'recorded' }]);
    expect(await store.steps(claim.operationId)).toEqual([step('charge')]);
  });
});

describe('one row that fails takes no neighbour with it', () => {
  /** Each part of the fence by itself. */
  const OVERTAKEN = [
    ['attempt', 'attempt = 2, version = 2', { state: 'processing', attempt: 2 }],
    ['owner', "owner = 'other', version = 2", { state: 'processing', attempt: 1 }],
    ['state', "state = 'suspended', lease_until = NULL, version = 2", { state: 'suspended', attempt: 1 }],
  ] as const;

  test.each(OVERTAKEN)(
    'a settlement overtaken by %s leaves its evidence, the others settle',
    async (_, change, by) => {
      const held = await claims(5);
      const late = held[2] as Claim;
      await db.sql(`UPDATE {s}.operation SET ${change} WHERE operation_id = $1`, [late.operationId]);
      const results = await Promise.all(held.map((claim) => store.settle(claim, COMPLETED, trace)));
      expect(results.map(({ kind }) => kind)).toEqual([
        'settled',
        'settled',
        'overtaken',
        'settled',
        'settled',
      ]);
      expect(results[2]).toEqual({ kind: 'overtaken', by });
      expect((await store.lookup(late))?.record).toMatchObject({ ...by, version: 2 });
      expect(await store.rejected(late.operationId)).toMatchObject([
        {
          attemptedState: 'completed',
          attemptedAttempt: 1,
          storedState: by.state,
          evidence: '{"v":1}',
          count: 1,
        },
      ]);
    },
  );

  test.each(OVERTAKEN)(
    'a recovery point overtaken by %s is not written, the others are',
    async (_, change, by) => {
      const held = await claims(3);
      const late = held[1] as Claim;
      await db.sql(`UPDATE {s}.operation SET ${change} WHERE operation_id = $1`, [late.operationId]);
      const results = await Promise.all(held.map((claim) => store.recordStep(claim, step('charge'), trace)));
      expect(results).toEqual([{ kind: 'recorded' }, { kind: 'overtaken', by }, { kind: 'recorded' }]);
      expect(await store.steps(late.operationId)).toEqual([]);
      expect(await store.rejected(late.operationId)).toMatchObject([
        { attemptedState: 'step', evidence: '1' },
      ]);
    },
  );

  test.each([
    ['bytes that Postgres has no text for', { key: 'a\0b' }],
    ['a value outside its domain', { policy: { ...request().policy, mode: 'bogus' as 'leased' } }],
    ['a number that is none', { policy: { ...request().policy, leaseMs: Number.NaN } }],
  ])('a claim with %s', async (_, poison) => {
    const asked = [request(), request(), request(poison), request(), request()];
    const results = await Promise.allSettled(asked.map((each) => store.claim(each)));
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
    ]);
    for (const [i, result] of results.entries()) {
      if (result.status === 'rejected') continue;
      expect(result.value).toMatchObject({ won: true, claim: { operationId: asked[i]?.operationId } });
    }
  });

  test.each([
    ['bytes that Postgres has no text for', { ...COMPLETED, outcome: 'a\0b' }],
    ['a state that there is none of', { ...COMPLETED, to: 'bogus' as 'completed' }],
    ['an edge that the table does not allow', { ...COMPLETED, cause: 'claimed' as 'succeeded' }],
  ])('a settlement with %s', async (_, poison) => {
    const held = await claims(5);
    const results = await Promise.allSettled(
      held.map((claim, i) => store.settle(claim, i === 2 ? poison : COMPLETED, trace)),
    );
    expect(results.map((result) => (result.status === 'fulfilled' ? result.value.kind : 'failed'))).toEqual([
      'settled',
      'settled',
      'failed',
      'settled',
      'settled',
    ]);
    expect((await store.lookup(held[2] as Claim))?.record.state).toBe('processing');
    for (const claim of held) expect((await store.history(claim.operationId)).length).toBeLessThanOrEqual(2);
  });

  test('a row that somebody has locked is waited for by its own caller only', async () => {
    const held = await claims(5);
    const locked = held[2] as Claim;
    let own: Promise<unknown> | undefined;
    await locking(
      'SELECT FROM {s}.operation WHERE operation_id = $1 FOR UPDATE',
      [locked.operationId],
      async () => {
        const settling = held.map((claim) => store.settle(claim, COMPLETED, trace));
        own = settling[2];
        const others = settling.filter((each) => each !== own);
        expect(await Promise.all(others)).toMatchObject(Array(4).fill({ kind: 'settled' }));
        expect((await store.lookup(locked))?.record.state).toBe('processing');
      },
    );
    expect(await own).toMatchObject({ kind: 'settled' });
  });

  test('a key that somebody is just inserting is waited for by its own caller only', async () => {
    const asked = Array.from({ length: 5 }, () => request());
    const { scope, procedure, key } = asked[2] as (typeof asked)[0];
    const insert = `INSERT INTO {s}.operation (scope, procedure, key, operation_id, owner, fingerprint, mode, on_crash,
        lease_ms, max_run_ms, max_attempts, downstream_window_ms, ttl_ms, first_actor, state, attempt, version,
        created_at, updated_at, first_claimed_at, lease_until)
      VALUES ($1, $2, $3, $4, 'other', 'v1:f', 'leased', 'suspend', 1, 1, 1, 1, 1, 'x', 'processing', 1, 1,
        now(), now(), now(), now())`;
    let own: Promise<unknown> | undefined;
    await locking(insert, [scope, procedure, key, random()], async () => {
      const claiming = asked.map((each) => store.claim(each));
      own = claiming[2];
      const others = claiming.filter((each) => each !== own);
      expect(await Promise.all(others)).toMatchObject(Array(4).fill({ won: true }));
    });
    // The other one rolled back.
    expect(await own).toMatchObject({ won: true });
  });
});

test('a batch leaves no setting behind on its connection', async () => {
  const single = db.store({
    controlConnections: 1,
    batching: oneLane,
  });
  const results = await Promise.all([single.claim(request()), single.claim(request())]);
  expect(results).toMatchObject([{ won: true }, { won: true }]);
  const [claim] = (await claims(1)) as [Claim];
  // Alone on that same connection: it waits for longer than a batch would.
  let own: Promise<unknown> | undefined;
  await locking(
    'SELECT FROM {s}.operation WHERE operation_id = $1 FOR UPDATE',
    [claim.operationId],
    async () => {
      own = single.settle(claim, COMPLETED, trace);
      await db.sql('SELECT pg_sleep(0.6)');
    },
  );
  expect(await own).toMatchObject({ kind: 'settled' });
});

test('any text comes through an array as it went in', async () => {
  const texts = [
    '',
    'null',
    'NULL',
    '{}',
    '{a,b}',
    '"',
    '\\',
    '\\"',
    '\\\\',
    ' a ',
    '\n\t',
    'ü€😀',
    "'",
    ',',
    '}{',
    '\x1f',
  ];
  const [row] = await db.sql<{ texts: string[] }>('SELECT $1::text[] AS texts', [
    textArray([...texts, null, undefined]),
  ]);
  expect(row?.texts).toEqual([...texts, null, null]);
});
