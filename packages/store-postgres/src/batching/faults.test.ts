import type { Claim } from '@semel/server/store';
import { loseAnswerAfter } from '@semel/testing/faults';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { COMPLETED, createFixture, type Fixture, random, request } from '../testing/fixture.ts';
import { lossyPath } from '../testing/lossy-path.ts';
import type { BatchingKnobs } from './writes.ts';

// A batch is cut off at every point: before, within and after its commit. Nobody's call is lost and nobody's is doubled.

const trace = { actor: 'request' };
const oneLane: BatchingKnobs = { lanes: 1 };
const twoLanes: BatchingKnobs = { lanes: 2 };
let db: Fixture;
let direct: ReturnType<Fixture['store']>;
beforeAll(async () => {
  db = await createFixture('batch_faults');
  direct = db.store({ batching: oneLane });
});
afterAll(() => db.close());
const path = lossyPath(() => db);

const some = (count: number) => Array.from({ length: count }, () => request());
const throughProxy = (batching = oneLane) => path.store({ controlConnections: 2, batching });

async function held(count: number): Promise<Claim[]> {
  const results = await Promise.all(some(count).map((each) => direct.claim(each)));
  return results.flatMap((result) => (result.won ? [result.claim] : []));
}

async function versions(claims: readonly { operationId: string }[]): Promise<number[]> {
  const rows = await db.sql<{ version: number }>(
    'SELECT version FROM {s}.operation WHERE operation_id = ANY ($1::text[])',
    [claims.map(({ operationId }) => operationId)],
  );
  return rows.map(({ version }) => version);
}

async function expectSettledOnce(claims: readonly Claim[]): Promise<void> {
  expect(await versions(claims)).toEqual(claims.map(() => 2));
  for (const claim of claims) {
    expect(await direct.history(claim.operationId)).toHaveLength(2);
    expect(await direct.rejected(claim.operationId)).toEqual([]);
  }
}

/** The first statement that writes a row of this trace stops inside Postgres until its backend is terminated. */
async function stopWithin(table: 'operation' | 'transition', traceId: string): Promise<void> {
  const name = `stop_${random().slice(0, 8)}`;
  const column = table === 'operation' ? 'first_trace_id' : 'trace_id';
  await db.sql(`CREATE SEQUENCE {s}.${name}`);
  await db.sql(`CREATE FUNCTION {s}.${name}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF nextval('{s}.${name}') = 1 THEN PERFORM pg_sleep(60); END IF;
      RETURN NEW;
    END $$`);
  await db.sql(`CREATE TRIGGER ${name} BEFORE INSERT ON {s}.${table} FOR EACH ROW
    WHEN (NEW.${column} = '${traceId}') EXECUTE FUNCTION {s}.${name}()`);
}

/** Ends the backend that sleeps in the trigger, once there is one. */
const terminate = () =>
  vi.waitFor(async () => {
    const [row] = await db.sql(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE wait_event = 'PgSleep' AND query LIKE '%"${db.schema}"%' AND pid <> pg_backend_pid()`,
    );
    if (row === undefined) throw new Error('not there yet');
  }, 20_000);

test('claims whose backend is terminated in the middle of their batch are each won once', async () => {
  const traceId = random();
  await stopWithin('operation', traceId);
  const asked = some(20).map((each, i) => (i === 10 ? { ...each, trace: { ...trace, traceId } } : each));
  const claiming = Promise.all(asked.map((each) => direct.claim(each)));
  await terminate();
  expect(await claiming).toMatchObject(
    asked.map(({ operationId }) => ({ won: true, claim: { operationId } })),
  );
  expect(await versions(asked)).toEqual(asked.map(() => 1));
});

test('settlements whose backend is terminated in the middle of their batch are each settled once', async () => {
  const traceId = random();
  await stopWithin('transition', traceId);
  const claims = await held(20);
  const settling = Promise.all(
    claims.map((claim, i) => direct.settle(claim, COMPLETED, i === 10 ? { ...trace, traceId } : trace)),
  );
  await terminate();
  expect(await settling).toMatchObject(
    claims.map(() => ({ kind: 'settled', expiresAt: expect.any(Number) })),
  );
  await expectSettledOnce(claims);
});

test('a batch of claims that was committed and not answered: each caller recognises its own', async () => {
  const store = throughProxy();
  await store.claim(request());
  const asked = some(20);
  const lost = loseAnswerAfter(asked[7]?.operationId ?? '');
  path.proxy.setFaults({ onData: lost.onData });
  const cut = lost.swallowed.then((connection) => connection.reset());
  const results = await Promise.all(asked.map((each) => store.claim(each)));
  await cut;
  expect(results).toMatchObject(
    asked.map(({ operationId, owner }) => ({ won: true, claim: { operationId, owner, attempt: 1 } })),
  );
  expect(await versions(asked)).toEqual(asked.map(() => 1));
  for (const each of asked) expect(await store.history(each.operationId)).toHaveLength(1);
});

test('a batch of settlements that was committed and not answered is settled, once', async () => {
  const store = throughProxy();
  await store.claim(request());
  const claims = await held(20);
  const lost = loseAnswerAfter('succeeded');
  path.proxy.setFaults({ onData: lost.onData });
  const cut = lost.swallowed.then((connection) => connection.reset());
  const results = await Promise.all(claims.map((claim) => store.settle(claim, COMPLETED, trace)));
  await cut;
  expect(results).toMatchObject(claims.map(() => ({ kind: 'settled', expiresAt: expect.any(Number) })));
  await expectSettledOnce(claims);
});

test('a batch that never arrived is sent again', async () => {
  const store = throughProxy();
  await store.claim(request());
  const claims = await held(20);
  let resets = 0;
  path.proxy.setFaults({
    onData(direction, chunk) {
      return direction === 'toServer' && chunk.includes('succeeded') && resets++ === 0 ? 'reset' : 'pass';
    },
  });
  const results = await Promise.all(claims.map((claim) => store.settle(claim, COMPLETED, trace)));
  expect(resets).toBeGreaterThan(0);
  expect(results).toMatchObject(claims.map(() => ({ kind: 'settled' })));
  await expectSettledOnce(claims);
});

test('when the store stays away every caller of the batch is told, and asking again later finds its own', async () => {
  const store = throughProxy();
  await store.claim(request());
  const asked = some(20);
  const lost = loseAnswerAfter(asked[7]?.operationId ?? '');
  path.proxy.setFaults({ onData: lost.onData });
  const away = lost.swallowed.then(async () => {
    await path.proxy.refuse();
    path.proxy.cut();
  });
  const results = await Promise.allSettled(asked.map((each) => store.claim(each)));
  await away;
  expect(results).toMatchObject(
    asked.map(() => ({ status: 'rejected', reason: { name: 'StoreUnavailable' } })),
  );
  path.proxy.setFaults({});
  await path.proxy.accept();
  const again = await Promise.all(asked.map((each) => store.claim(each)));
  expect(again).toMatchObject(asked.map(({ owner }) => ({ won: true, claim: { owner, attempt: 1 } })));
});

test('a connection that swallows what it is given holds up its own batch, and not the next', async () => {
  const store = throughProxy(twoLanes);
  await store.claim(request());
  const stuck = some(5);
  const swallowing = loseAnswerAfter(stuck[2]?.operationId ?? '');
  path.proxy.setFaults({ onData: swallowing.onData });
  let answered = 0;
  const waiting = stuck.map((each) => store.claim(each).finally(() => answered++));
  const connection = await swallowing.swallowed;
  const others = some(40);
  const results = await Promise.all(others.map((each) => store.claim(each)));
  expect(results).toMatchObject(others.map(({ operationId }) => ({ won: true, claim: { operationId } })));
  expect(answered).toBe(0);
  connection.reset();
  expect(await Promise.all(waiting)).toMatchObject(
    stuck.map(({ owner }) => ({ won: true, claim: { owner } })),
  );
});
