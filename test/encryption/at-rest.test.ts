import { fingerprint } from '@semel/contract/v1/pure';
import { TRPCError } from '@trpc/server';
import { afterEach, expect, test } from 'vitest';
import { query } from '../fixtures/plain-client.ts';
import { createDatabase, type Database, FIRST, type Handlers } from './server.ts';

// What somebody sees who reads the whole database: a backup, a replica, an operator.

let db: Database;
afterEach(() => db.close());

const SECRETS = {
  input: 'input-4242424242424242',
  output: 'output-DE89370400440532',
  failure: 'failure-diagnosis-F32.1',
  step: 'step-result-geheim-ü漢',
  declared: 'declared-passport-C01X',
  transaction: 'transaction-result-77',
  late: 'late-result-of-a-zombie',
};

/** Everything that the product stores about answers: outcomes, failures, steps, transactions, evidence of a late owner. */
async function fill(withRing: boolean) {
  db = await createDatabase();
  let attempts = 0;
  const handlers: Handlers = {
    atomic: async (operation, input) => {
      if (input.fail)
        throw operation.refuse(new TRPCError({ code: 'PAYMENT_REQUIRED', message: SECRETS.failure }));
      return { iban: SECRETS.output, at: [1, 2, 3] };
    },
    async leased(operation) {
      const step = await operation.step('charge', { input: SECRETS.declared }, async () => ({
        id: SECRETS.step,
      }));
      const booked = await operation.transaction('book', async () => ({ id: SECRETS.transaction }));
      if (attempts++ === 0) throw new Error('mail server is away');
      return { step: step.id, booked: booked.id, output: SECRETS.output };
    },
  };
  const server = await db.serve(withRing ? FIRST : undefined, handlers);
  const input = { card: SECRETS.input };
  const statuses = [
    (await server.call('atomic', 'a', input)).status,
    (await server.call('atomic', 'f', { ...input, fail: true })).status,
    (await server.call('leased', 'l', input)).status,
  ];
  const resumed = await server.call('leased', 'l', input);
  // An attempt that was overtaken brings its result late: it's kept as evidence.
  const held = Promise.withResolvers<void>();
  const running = Promise.withResolvers<void>();
  handlers.leased = async () => {
    running.resolve();
    await held.promise;
    return SECRETS.late;
  };
  const zombie = server.call('leased', 'z', input);
  await running.promise;
  await db.sql(`UPDATE semel.operation SET attempt = attempt + 1 WHERE key = 'z'`);
  held.resolve();
  return { server, input, statuses, resumed, late: (await zombie).code };
}

test('no input, outcome, step result, failure or evidence can be read in the database, in any spelling', async () => {
  const { server, input, statuses, resumed, late } = await fill(true);
  expect([...statuses, late]).toEqual([200, 402, 500, 'lease_lost']);
  expect(resumed.body.result.data).toEqual({
    step: SECRETS.step,
    booked: SECRETS.transaction,
    output: SECRETS.output,
  });
  const all = await db.everything();
  expect(all.match(/sealed1:k1:/g)).toHaveLength(3 + 2 + 1);
  for (const secret of Object.values(SECRETS)) {
    for (const spelling of spellings(secret)) expect(all).not.toContain(spelling);
  }
  // Nor can a guess of the input be tested.
  for (const guess of [
    fingerprint('atomic', input),
    fingerprint('leased', input),
    fingerprint('charge', SECRETS.declared),
  ]) {
    expect(all).not.toContain(guess.slice(3));
  }
  // And those who may ask get all of it.
  expect((await server.call('atomic', 'a', input)).body.result.data.iban).toBe(SECRETS.output);
  expect((await server.call('atomic', 'f', { ...input, fail: true })).body.error.message).toBe(
    SECRETS.failure,
  );
  const status = await query(server.url, 'idempotency.status', { procedure: 'atomic', key: 'a' }, 'alice');
  expect(status.body.result.data.outcome).toEqual({
    v: 1,
    ok: true,
    value: { json: { iban: SECRETS.output, at: [1, 2, 3] } },
  });
  expect(server.undecryptable()).toEqual([]);
});

test('without a key ring all of that can be read: the search finds what is there', async () => {
  const { input } = await fill(false);
  const all = await db.everything();
  const { input: _, declared, ...stored } = SECRETS;
  for (const secret of Object.values(stored)) expect(all).toContain(secret);
  for (const guess of [
    fingerprint('atomic', input),
    fingerprint('leased', input),
    fingerprint('charge', declared),
  ]) {
    expect(all).toContain(guess);
  }
});

test('two operations with one input and one answer look like any two', async () => {
  db = await createDatabase();
  const handlers: Handlers = { atomic: async () => 'same', leased: async () => 'same' };
  const server = await db.serve(FIRST, handlers);
  for (const [key, user] of [
    ['a', 'alice'],
    ['b', 'alice'],
    ['a', 'bob'],
  ] as const) {
    await server.call('atomic', key, { amount: 1 }, user);
  }
  const rows = await db.sql('SELECT fingerprint, outcome FROM semel.operation');
  expect(new Set(rows.map((row) => row.fingerprint)).size).toBe(3);
  expect(new Set(rows.map((row) => row.outcome)).size).toBe(3);
});

test('a policy that opts out stores its operations as they are', async () => {
  db = await createDatabase();
  const handlers: Handlers = { atomic: async () => SECRETS.output, leased: async () => SECRETS.output };
  const server = await db.serve(FIRST, handlers, { encrypt: false });
  await server.call('atomic', 'a');
  await server.call('leased', 'a');
  const rows = await db.sql('SELECT fingerprint, outcome FROM semel.operation ORDER BY procedure');
  expect(rows.map((row) => row.outcome)).toEqual(
    Array(2).fill(`{"v":1,"ok":true,"value":{"json":"${SECRETS.output}"}}`),
  );
  expect(rows[0]?.fingerprint).toBe(fingerprint('atomic', { amount: 1250 }));
});

test('a policy that wants encryption is refused where there is no key ring', async () => {
  db = await createDatabase();
  const handlers: Handlers = { atomic: async () => 1, leased: async () => 1 };
  await expect(db.serve(undefined, handlers, { encrypt: true })).rejects.toThrow(
    'encrypt: true needs a key ring: createSemel({ store, keyRing: { current, keys } })',
  );
  const server = await db.serve(FIRST, handlers, { encrypt: true });
  expect((await server.call('atomic', 'a')).status).toBe(200);
});

function spellings(secret: string): string[] {
  const bytes = Buffer.from(secret);
  // Base64 of a text inside another begins at one of three offsets.
  const inside = [0, 1, 2].flatMap((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes]);
    const whole = (encoding: 'base64' | 'base64url') =>
      text.toString(encoding).replace(/=+$/, '').slice(4, -2);
    return [whole('base64'), whole('base64url')];
  });
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    bytes.toString('hex'),
    encodeURIComponent(secret),
    ...inside,
  ];
}
