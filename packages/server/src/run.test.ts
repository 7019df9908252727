import { expect, expectTypeOf, test } from 'vitest';
import { createMemoryJobs } from './jobs/memory-jobs.ts';
import { createSemel } from './semel.ts';
import { createMemoryStore } from './store/memory.ts';
import { StoreUnavailable } from './store/port.ts';

const setUp = () => createSemel({ store: createMemoryStore(), recovery: false });
const work = { scope: 'billing', name: 'invoice.paid', mode: 'atomic' } as const;

test('runs once per key, and gives later callers the value with its types', async () => {
  const semel = setUp();
  let runs = 0;
  const once = () =>
    semel.run({ ...work, key: 'evt_1', input: { cents: 5n } }, async (operation, { cents }) => {
      runs++;
      return { at: new Date(0), total: cents * 2n, key: operation.key };
    });
  const first = await once();
  expectTypeOf(first).extract<{ kind: 'completed' }>().toHaveProperty('value').toEqualTypeOf<{
    at: Date;
    total: bigint;
    key: string;
  }>();
  const value = { at: new Date(0), total: 10n, key: 'evt_1' };
  expect(first).toMatchObject({ kind: 'completed', value, replayed: false });
  expect(await once()).toEqual({ ...first, replayed: true });
  expect(runs).toBe(1);
});

test('tells apart scopes, names and keys; the same key with another input is refused', async () => {
  const semel = setUp();
  let runs = 0;
  const run = (over: object) =>
    semel
      .run({ ...work, key: 'k', input: 1 as unknown, ...over }, () => ++runs)
      .then((done) => ('value' in done ? done.value : done));
  expect([
    await run({}),
    await run({ scope: 'shipping' }),
    await run({ name: 'invoice.sent' }),
    await run({ key: 'l' }),
    await run({}),
  ]).toEqual([1, 2, 3, 4, 1]);
  expect(await run({ input: 2 })).toMatchObject({ kind: 'refused', problem: { code: 'key_reused' } });
});

test('keyFrom takes what is no key, and equal values are the same operation', async () => {
  const semel = setUp();
  let runs = 0;
  const run = (keyFrom: unknown) => semel.run({ ...work, keyFrom, input: null }, () => ++runs);
  expect(await run({ topic: 'é', offset: 7n })).toMatchObject({ value: 1, replayed: false });
  expect(await run({ offset: 7n, topic: 'é' })).toMatchObject({ value: 1, replayed: true });
  expect(await run({ topic: 'é', offset: 8n })).toMatchObject({ value: 2, replayed: false });
});

test('a refusal and an error with a final status are outcomes, stored; any other error is thrown, nothing stored', async () => {
  const semel = setUp();
  let runs = 0;
  const refuse = () =>
    semel.run({ ...work, key: 'no', input: null }, (operation) => {
      runs++;
      return operation.refuse(Object.assign(new Error('unknown customer'), { code: 'NO_CUSTOMER' }));
    });
  const refused = {
    kind: 'failed',
    error: { httpStatus: 422, code: 'NO_CUSTOMER', message: 'unknown customer' },
    replayed: false,
    operationId: expect.any(String),
  };
  expect(await refuse()).toEqual(refused);
  expect(await refuse()).toEqual({ ...refused, replayed: true });
  const final = Object.assign(new Error('gone'), { status: 410 });
  const gone = await semel.run({ ...work, key: 'gone', input: null }, () => Promise.reject(final));
  expect(gone).toMatchObject({ kind: 'failed', error: { httpStatus: 410, code: 'Error', message: 'gone' } });
  const error = new Error('not now');
  const fail = () => semel.run({ ...work, key: 'later', input: null }, () => Promise.reject(error));
  await expect(fail()).rejects.toBe(error);
  expect(await semel.store.lookup({ scope: 'billing', procedure: 'invoice.paid', key: 'later' })).toBe(
    undefined,
  );
  expect(runs).toBe(1);
});

test('leased work has steps, and names its actor in the audit rows', async () => {
  const semel = setUp();
  const done = await semel.run(
    { ...work, mode: 'leased', key: 'k', input: null, actor: 'cron' },
    (operation) => operation.step('charge', async (childKey) => childKey),
  );
  expect(done).toMatchObject({ kind: 'completed', value: expect.stringMatching(/^[\w-]{43}$|^charge-/) });
  const id = 'operationId' in done ? done.operationId : '';
  expect((await semel.store.history(id)).map(({ to, actor }) => [to, actor])).toEqual([
    ['processing', 'cron'],
    ['completed', 'cron'],
  ]);
});

test('a key that is none is refused; a call that can mean nothing is an error', async () => {
  const semel = setUp();
  const run = (over: object) => semel.run({ ...work, key: 'k', input: null, ...over } as never, () => 1);
  expect(await run({ key: 'a b' })).toMatchObject({ kind: 'refused', problem: { code: 'key_malformed' } });
  expect(await run({ key: '' })).toMatchObject({ kind: 'refused', problem: { code: 'key_malformed' } });
  await expect(run({ scope: '' })).rejects.toThrow('semel.run needs a scope');
  await expect(run({ name: undefined })).rejects.toThrow('needs the stable name');
  await expect(run({ key: undefined })).rejects.toThrow('either key or keyFrom');
  await expect(run({ keyFrom: 1 })).rejects.toThrow('either key or keyFrom');
  await expect(run({ ttl: 5 })).rejects.toThrow('there is no field ttl');
});

test('a store that is away refuses, and nothing runs', async () => {
  const store = createMemoryStore();
  const atomically: typeof store.atomically = () => Promise.reject(new StoreUnavailable());
  const semel = createSemel({ store: { ...store, atomically }, recovery: false });
  const done = await semel.run({ ...work, key: 'k', input: null }, () => {
    throw new Error('ran');
  });
  expect(done).toMatchObject({ kind: 'refused', problem: { code: 'store_unavailable', retryable: true } });
});

test('can not be queued: no worker could find the function', async () => {
  const semel = createSemel({ store: createMemoryStore(), jobs: createMemoryJobs(), recovery: false });
  const call = { scope: 'a', name: 'pay', key: 'k', input: 1, mode: 'queued' } as never;
  await expect(semel.run(call, () => 'paid')).rejects.toThrow("semel.run can't be queued");
});
