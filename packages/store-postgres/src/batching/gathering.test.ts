import { AsyncLocalStorage } from 'node:async_hooks';
import { StoreUnavailable } from '@semel/server/store';
import { afterEach, expect, test, vi } from 'vitest';
import { createGathering, type Kind, type Limits, SINGLY } from './gathering.ts';

// What departs when, and what a failure of one flight means for whom: without a database.

const LIMITS: Limits = {
  lanes: 1,
  lateMs: 60_000,
  crowd: 64,
  maxRows: 64,
  maxCharacters: 1_000,
  maxWaitMs: 2_000,
};

afterEach(() => void vi.useRealTimers());

/** A kind whose flights land when the test says so. */
function held(name = '') {
  const flights: string[] = [];
  const landings: ((error?: unknown) => void)[] = [];
  const land = () =>
    new Promise<void>((resolve, reject) => {
      landings.push((error) => (error === undefined ? resolve() : reject(error as Error)));
    });
  const kind: Kind<string, string> = {
    weigh: (call) => call.length,
    async one(call) {
      flights.push(`${name}${call}`);
      await land();
      return call;
    },
    async many(calls) {
      flights.push(`${name}[${calls.join(' ')}]`);
      await land();
      return calls;
    },
  };
  return { kind, flights, landings };
}

/** All promises and ticks that are due have run. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

test('a call departs at once and alone while nothing flies', async () => {
  const { kind, flights, landings } = held();
  const ask = createGathering({ ...LIMITS, lanes: 2 }).of(kind);
  const calls = [ask('a')];
  await settled();
  landings[0]?.();
  await settled();
  calls.push(ask('b'));
  await settled();
  expect(flights).toEqual(['a', 'b']);
  landings[1]?.();
  expect(await Promise.all(calls)).toEqual(['a', 'b']);
});

test('a free lane is for a crowd: fewer wait until what flies has landed', async () => {
  const { kind, flights, landings } = held();
  const ask = createGathering({ ...LIMITS, lanes: 3, crowd: 3 }).of(kind);
  const calls = [ask('a')];
  await settled();
  calls.push(ask('b'), ask('c'));
  await settled();
  expect(flights).toEqual(['a']);
  calls.push(ask('d'));
  await settled();
  expect(flights).toEqual(['a', '[b c d]']);
  calls.push(ask('e'));
  landings[0]?.();
  await settled();
  expect(flights).toEqual(['a', '[b c d]']);
  landings[1]?.();
  await settled();
  landings[2]?.();
  expect(await Promise.all(calls)).toEqual(['a', 'b', 'c', 'd', 'e']);
});

test('nobody waits for a flight that is late, and after it has landed all is as before', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  const { kind, flights, landings } = held();
  const ask = createGathering({ ...LIMITS, lanes: 2, lateMs: 5 }).of(kind);
  const calls = [ask('a')];
  await settled();
  calls.push(ask('b'));
  await vi.advanceTimersByTimeAsync(4);
  expect(flights).toEqual(['a']);
  await vi.advanceTimersByTimeAsync(1);
  await settled();
  expect(flights).toEqual(['a', 'b']);
  calls.push(ask('c'));
  await vi.advanceTimersByTimeAsync(5); // both are late, and there is no third lane
  await settled();
  expect(flights).toEqual(['a', 'b']);
  landings[0]?.();
  landings[1]?.();
  await settled();
  expect(flights).toEqual(['a', 'b', 'c']);
  calls.push(ask('d'));
  await settled();
  expect(flights).toEqual(['a', 'b', 'c']);
  landings[2]?.();
  await settled();
  landings[3]?.();
  expect(await Promise.all(calls)).toEqual(['a', 'b', 'c', 'd']);
});

test('calls of one tick depart together, also those that earlier promises bring about', async () => {
  const { kind, flights, landings } = held();
  const ask = createGathering(LIMITS).of(kind);
  const late = Promise.resolve()
    .then(() => undefined)
    .then(() => ask('c'));
  const calls = [ask('a'), ask('b'), late];
  await settled();
  expect(flights).toEqual(['[a b c]']);
  landings[0]?.();
  expect(await Promise.all(calls)).toEqual(['a', 'b', 'c']);
});

test('what comes while all lanes are busy gathers, and the next flight takes it', async () => {
  const { kind, flights, landings } = held();
  const ask = createGathering(LIMITS).of(kind);
  const calls = [ask('a')];
  await settled();
  calls.push(ask('b'));
  await settled();
  calls.push(ask('c'));
  await settled();
  expect(flights).toEqual(['a']);
  landings[0]?.();
  await settled();
  expect(flights).toEqual(['a', '[b c]']);
  landings[1]?.();
  expect(await Promise.all(calls)).toEqual(['a', 'b', 'c']);
});

test('never more flights than lanes, never more calls than maxRows, first come first served', async () => {
  const { kind, flights, landings } = held();
  const ask = createGathering({ ...LIMITS, lanes: 2, crowd: 2, maxRows: 3 }).of(kind);
  const calls = 'a b c d e f g h'.split(' ').map((name) => ask(name));
  await settled();
  expect(flights).toEqual(['[a b c]', '[d e f]']);
  landings[1]?.();
  await settled();
  expect(flights).toEqual(['[a b c]', '[d e f]', '[g h]']);
  landings[0]?.();
  landings[2]?.();
  expect(await Promise.all(calls)).toHaveLength(8);
});

test('what one flight carries is bounded, and a call larger than that flies alone', async () => {
  const { kind, flights, landings } = held();
  const ask = createGathering({ ...LIMITS, maxCharacters: 4 }).of(kind);
  const calls = ['aa', 'bb', 'c', 'dddddd', 'e'].map((name) => ask(name));
  for (let i = 0; i < 4; i++) {
    await settled();
    landings[i]?.();
  }
  expect(await Promise.all(calls)).toHaveLength(5);
  expect(flights).toEqual(['[aa bb]', 'c', 'dddddd', 'e']);
});

test('kinds share the lanes, and the one that has waited longest is next', async () => {
  const gathering = createGathering(LIMITS);
  const one = held('claim ');
  const other = held('settle ');
  const [claim, settle] = [gathering.of(one.kind), gathering.of(other.kind)];
  const calls = [claim('a')];
  await settled();
  calls.push(settle('b'), claim('c'), settle('d'));
  one.landings[0]?.();
  await settled();
  expect(other.flights).toEqual(['settle [b d]']);
  calls.push(settle('e'));
  other.landings[0]?.();
  await settled();
  expect(one.flights).toEqual(['claim a', 'claim c']);
  one.landings[1]?.();
  await settled();
  other.landings[1]?.();
  await Promise.all(calls);
});

test('an error of a batch is nobody else’s: each call is made alone, and fails alone', async () => {
  const seen: string[] = [];
  const kind: Kind<string, string> = {
    weigh: () => 0,
    async one(call) {
      seen.push(call);
      if (call === 'bad') throw new Error('this row');
      return call.toUpperCase();
    },
    async many() {
      seen.push('batch');
      throw new Error('some row');
    },
  };
  const ask = createGathering(LIMITS).of(kind);
  const results = await Promise.allSettled(['a', 'bad', 'c'].map((name) => ask(name)));
  expect(seen).toEqual(['batch', 'a', 'bad', 'c']);
  expect(results).toEqual([
    { status: 'fulfilled', value: 'A' },
    { status: 'rejected', reason: new Error('this row') },
    { status: 'fulfilled', value: 'C' },
  ]);
});

test('a store that is away is told to every caller of the batch, and nobody asks again alone', async () => {
  let alone = 0;
  const kind: Kind<string, string> = {
    weigh: () => 0,
    one: async (call) => {
      alone++;
      return call;
    },
    many: async () => {
      throw new StoreUnavailable();
    },
  };
  const ask = createGathering(LIMITS).of(kind);
  const results = await Promise.allSettled(['a', 'b'].map((name) => ask(name)));
  expect(results.map((result) => result.status)).toEqual(['rejected', 'rejected']);
  expect(alone).toBe(0);
});

test('a call that the batch leaves undecided is made alone', async () => {
  const kind: Kind<string, string> = {
    weigh: () => 0,
    one: async (call) => `${call} alone`,
    many: async (calls) => calls.map((call) => (call === 'b' ? SINGLY : call)),
  };
  const ask = createGathering(LIMITS).of(kind);
  expect(await Promise.all(['a', 'b', 'c'].map((name) => ask(name)))).toEqual(['a', 'b alone', 'c']);
});

test('a call that finds no seat in time is refused, those in flight are not', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  const { kind, flights, landings } = held();
  const ask = createGathering(LIMITS).of(kind);
  const flying = ask('a');
  await settled();
  const early = ask('b');
  const refused = expect(early).rejects.toBeInstanceOf(StoreUnavailable);
  await vi.advanceTimersByTimeAsync(1_500);
  const late = ask('c');
  await vi.advanceTimersByTimeAsync(600);
  await refused;
  landings[0]?.();
  await settled();
  expect(flights).toEqual(['a', 'c']);
  landings[1]?.();
  expect(await Promise.all([flying, late])).toEqual(['a', 'c']);
});

test('a lone call departs in its caller’s context, a batch in nobody’s', async () => {
  const context = new AsyncLocalStorage<string>();
  const seen: unknown[] = [];
  const kind: Kind<string, string> = {
    weigh: () => 0,
    async one(call) {
      seen.push(context.getStore());
      return call;
    },
    async many(calls) {
      seen.push(context.getStore());
      return calls;
    },
  };
  const ask = createGathering(LIMITS).of(kind);
  await context.run('one', () => ask('a'));
  await context.run('two', () => Promise.all([ask('b'), ask('c')]));
  expect(seen).toEqual(['one', undefined]);
});
