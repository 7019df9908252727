import { afterEach, expect, test } from 'vitest';
import { CARRIERS, type Call, connect } from '../fixtures/carriers.ts';
import { elsewhere, type Stage, type StageOptions, size, stage } from './situations.ts';

interface Clash {
  readonly both: string;
  readonly answered: string;
  readonly options?: StageOptions;
  readonly before?: (stage: Stage) => unknown;
  readonly call: Omit<Call, 'path'>;
  readonly overHttpOnly?: boolean;
}

const same = { n: 1 };
const other = { n: 2 };
const OLD = 86_400_000;

const plant = async ({ store }: Stage) => {
  const result = await store.claim(elsewhere('leased', same));
  if (!result.won) throw new Error('the plant was refused');
  return result.claim;
};
const suspend = async (stage: Stage) => {
  const claim = await plant(stage);
  await stage.store.settle(claim, { to: 'suspended', cause: 'outcome_unknown' }, { actor: 'recovery' });
};
const bury = async (stage: Stage) => {
  const claim = await plant(stage);
  const outcome = '{"v":1,"ok":true,"gone":"too_large"}';
  await stage.store.settle(claim, { to: 'completed', cause: 'succeeded', outcome }, { actor: 'elsewhere' });
};
const drain = ({ server }: Stage) => server.semel.drain(0);

const CLASHES: readonly Clash[] = [
  {
    both: 'contract and malformed',
    answered: 'contract_unsupported',
    call: { key: 'two words', contract: '2' },
    overHttpOnly: true,
  },
  {
    both: 'contract and missing',
    answered: 'contract_unsupported',
    call: { contract: '2' },
    overHttpOnly: true,
  },
  {
    both: 'malformed and store',
    answered: 'key_malformed',
    options: { storeIsAway: true },
    call: { key: 'two words' },
  },
  { both: 'malformed and draining', answered: 'key_malformed', before: drain, call: { key: 'two words' } },
  { both: 'missing and store', answered: 'key_missing', options: { storeIsAway: true }, call: {} },
  { both: 'missing and draining', answered: 'key_missing', before: drain, call: {} },
  {
    both: 'draining and reused',
    answered: 'store_unavailable',
    before: async (stage) => {
      await plant(stage);
      await drain(stage);
    },
    call: { key: 'k', input: other },
  },
  { both: 'reused and gone', answered: 'key_reused', before: bury, call: { key: 'k', input: other } },
  {
    both: 'reused and expired',
    answered: 'key_reused',
    before: bury,
    call: { key: 'k', input: other, ageMs: OLD },
  },
  { both: 'reused and unknown', answered: 'key_reused', before: suspend, call: { key: 'k', input: other } },
  { both: 'reused and in flight', answered: 'key_reused', before: plant, call: { key: 'k', input: other } },
  {
    both: 'gone and an old key',
    answered: 'outcome_gone',
    before: bury,
    call: { key: 'k', input: same, ageMs: OLD },
  },
  {
    both: 'unknown and an old key',
    answered: 'outcome_unknown',
    before: suspend,
    call: { key: 'k', input: same, ageMs: OLD },
  },
  {
    both: 'in flight and an old key',
    answered: 'in_flight',
    before: plant,
    call: { key: 'k', input: same, ageMs: OLD },
  },
];

const CASES = CLASHES.flatMap((clash) =>
  CARRIERS.filter((carrier) => carrier !== 'socket' || !clash.overHttpOnly).map((carrier) => ({
    ...clash,
    carrier,
  })),
);

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});
async function open(carrier: (typeof CARRIERS)[number], options: StageOptions = {}) {
  const staged = await stage(options);
  const client = connect(carrier, staged.server);
  cleanups.push(staged.server.close, client.close);
  return { staged, client };
}

test.each(CASES)(
  'over $carrier, $both is answered as $answered',
  async ({ carrier, answered, before, call, options }) => {
    const { staged, client } = await open(carrier, { policy: { inFlight: 'conflict' }, ...options });
    await before?.(staged);
    const records = await size(staged.store);
    const answer = await client.call({ path: 'leased', ...call });
    expect(answer.shape?.data.idempotency.code).toBe(answered);
    expect(staged.runs).toBe(0);
    expect(await size(staged.store)).toBe(records);
  },
);

test.each(CARRIERS)(
  'over %s, an old key of a settled operation is a replay like any other',
  async (carrier) => {
    const { staged, client } = await open(carrier);
    await client.call({ path: 'leased', input: same, key: 'k' });
    const again = await client.call({ path: 'leased', input: same, key: 'k', ageMs: OLD });
    expect(again.data).toBe('done');
    expect(staged.runs).toBe(1);
  },
);

test.each(CARRIERS)('over %s, an age up to ttl minus 5 minutes still runs', async (carrier) => {
  const { staged, client } = await open(carrier);
  expect((await client.call({ path: 'leased', input: same, key: 'k', ageMs: 86_100_000 })).data).toBe('done');
  expect(staged.runs).toBe(1);
});

test.each(
  CARRIERS.flatMap((carrier) => [
    { carrier, state: 'processing', prepare: plant },
    { carrier, state: 'suspended', prepare: suspend },
    { carrier, state: 'completed', prepare: bury },
  ]),
)('over $carrier, a conflict changes nothing of a $state record', async ({ carrier, prepare }) => {
  const { staged, client } = await open(carrier, { policy: { inFlight: 'conflict' } });
  await prepare(staged);
  const before = await staged.store.find('planted');
  const history = await staged.store.history('planted');
  await client.call({ path: 'leased', input: same, key: 'k' });
  await client.call({ path: 'leased', input: other, key: 'k' });
  expect(await staged.store.find('planted')).toEqual(before);
  expect(await staged.store.history('planted')).toEqual(history);
  expect(await staged.store.rejected('planted')).toEqual([]);
});
