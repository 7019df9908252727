import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { type Answer, mutate, query } from '../fixtures/plain-client.ts';
import { createStage, type ServerChild, type Stage } from '../fixtures/stage.ts';

// The same key, the same procedure, the same body, another principal: another operation, and no trace of the first.

let stage: Stage;
let server: ServerChild;
beforeAll(async () => {
  stage = await createStage(inject('databaseUrl'));
  server = await stage.start({ leaseMs: 30_000 });
});
afterAll(() => stage.close());

const everythingIn = ({ body, headers }: Answer) => JSON.stringify([body, [...headers]]);
const idOf = ({ headers }: Answer) => headers.get('idempotency-operation') ?? '';

test('two tenants with one key have two effects and two answers', async () => {
  const input = { sku: 'book' };
  const alice = await mutate(server.url, 'order', input, { key: 'shared', user: 'alice' });
  const bob = await mutate(server.url, 'order', input, { key: 'shared', user: 'bob' });
  const aliceAgain = await mutate(server.url, 'order', input, { key: 'shared', user: 'alice' });
  expect([alice.status, bob.status]).toEqual([200, 200]);
  expect(bob.headers.get('idempotency-replayed')).toBe(null);
  expect(await stage.sql(`SELECT scope FROM {s}.orders WHERE key = 'shared' ORDER BY id`)).toEqual([
    { scope: 'alice' },
    { scope: 'bob' },
  ]);
  expect(aliceAgain.body).toEqual(alice.body);
  expect(everythingIn(bob)).not.toContain('alice');
  expect(everythingIn(bob)).not.toContain(idOf(alice));
  expect(idOf(alice)).not.toBe('');
});

test("another tenant's input doesn't make a key reused, and its mismatch isn't told", async () => {
  await mutate(server.url, 'order', { sku: 'book' }, { key: 'other-input', user: 'alice' });
  const bob = await mutate(server.url, 'order', { sku: 'pen' }, { key: 'other-input', user: 'bob' });
  expect(bob.body.result.data).toMatchObject({ sku: 'pen', for: 'bob' });
});

test('a duplicate joins only its own tenant while both are at it, and the provider is asked under two keys', async () => {
  const input = { amount: 1250, gate: 'before charge' };
  const ask = (user: string) => mutate(server.url, 'pay', input, { key: 'joined', user });
  const [alice, bob] = [ask('alice'), ask('bob')];
  const first = await server.message((message) => message.at === 'before charge');
  const second = await server.message((message) => message.at === 'before charge');
  // Both handlers are running; each tenant's duplicate waits for its own.
  const [aliceToo, bobToo] = [ask('alice'), ask('bob')];
  server.send({ open: first.id });
  server.send({ open: second.id });
  const answers = await Promise.all([alice, aliceToo, bob, bobToo]);
  const intents = answers.map(({ body }) => body.result.data.intent);
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  expect([intents[0], intents[2]]).toEqual([intents[1], intents[3]]);
  expect(new Set(intents).size).toBe(2);
  const charges = await stage.provider.charges('joined');
  expect(new Set(charges.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(2);
  expect(await stage.sql(`SELECT scope FROM {s}.payments WHERE key = 'joined' ORDER BY scope`)).toEqual([
    { scope: 'alice' },
    { scope: 'bob' },
  ]);
});

test("a tenant that is told nothing by another's running call: no in_flight, no wait", async () => {
  const input = { amount: 1250, gate: 'before charge' };
  const alice = mutate(server.url, 'pay', input, { key: 'held', user: 'alice' });
  const { id } = await server.message((message) => message.at === 'before charge');
  const bob = await mutate(server.url, 'pay', { amount: 1250 }, { key: 'held', user: 'bob' });
  expect(bob.status).toBe(200);
  server.send({ open: id });
  expect((await alice).status).toBe(200);
});

test("the status endpoint shows one's own operation, and another's as none", async () => {
  const created = await mutate(server.url, 'order', { sku: 'book' }, { key: 'status', user: 'alice' });
  const ask = (input: unknown, user: string) => query(server.url, 'idempotency.status', input, user);
  const operationId = idOf(created);
  const own = await ask({ operationId }, 'alice');
  const foreign = await ask({ operationId }, 'bob');
  const foreignByKey = await ask({ procedure: 'order', key: 'status' }, 'bob');
  const absent = await ask({ operationId: 'A'.repeat(22) }, 'bob');
  expect(own.body.result.data).toMatchObject({
    operationId,
    procedure: 'order',
    state: 'completed',
    attempt: 1,
  });
  expect(foreign.body.result.data).toEqual({ state: 'not_found', operationId });
  expect(foreignByKey.body.result.data).toEqual({ state: 'not_found', procedure: 'order' });
  expect({ ...absent.body.result.data, operationId }).toEqual(foreign.body.result.data);
});

test.each(['alice/', '5:alice/', 'alic'])('a principal named %s reads nothing of alice', async (user) => {
  const created = await mutate(server.url, 'order', { sku: 'book' }, { key: 'lookalike', user: 'alice' });
  const status = await query(server.url, 'idempotency.status', { operationId: idOf(created) }, user);
  expect(status.body.result.data.state).toBe('not_found');
  const call = await mutate(server.url, 'order', { sku: 'book' }, { key: 'lookalike', user });
  expect([call.status, call.body.result.data.for]).toEqual([200, user]);
});
