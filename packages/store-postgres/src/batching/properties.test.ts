import type { Claim, OperationRecord, Settlement } from '@semel/server/store';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { COMPLETED, createFixture, FAILED, type Fixture, random, request } from '../testing/fixture.ts';
import { type Call, explanations, type Modelled } from './testing/model.ts';
import { randomFrom } from './testing/random-from.ts';
import type { BatchingKnobs } from './writes.ts';

// Random rounds of calls that meet in batches, from two servers, on few keys: claims, the same claims again, settlements
// and recovery points of living and overtaken attempts, takeovers, time that passes between rounds. Every answer of a
// round, and the record afterwards, must be those of one store that takes the calls one by one, in some order.

const ROUNDS = 80;
const KEYS = 4;
const CALLS = 14;
const PER_KEY = 4;
const HOUR = 3_600_000;
const trace = { actor: 'request' };

const SETTLEMENTS: readonly Settlement[] = [
  COMPLETED,
  FAILED,
  { to: 'released', cause: 'released' },
  { to: 'released', cause: 'released' },
  { to: 'suspended', cause: 'outcome_unknown' },
];

let db: Fixture;
beforeAll(async () => {
  db = await createFixture('batch_properties');
});
afterAll(() => db.close());

const forced: BatchingKnobs = { always: true, lanes: 1 };
const narrow: BatchingKnobs = { lanes: 2, maxRows: 3 };

describe.each([
  ['batches of everything', forced, forced],
  ['small batches beside large ones', narrow, forced],
  ['a server with batches beside one without', {}, false],
] as const)('%s', (_, one, other) => {
  test.each([Math.floor(Math.random() * 2 ** 31)])(
    'answer as one by one (seed %i)',
    async (seed) => {
      const { below, pick } = randomFrom(seed);
      const stores = [one, other].map((batching) => db.store({ batching }));
      const policy = { ...request().policy, leaseMs: HOUR, ttlMs: 24 * HOUR, onCrash: 'resume' } as const;
      const models = new Map<string, Modelled>();
      const claims = new Map<string, Claim[]>();
      const newKey = (): string => {
        const key = random();
        claims.set(key, []);
        return key;
      };
      const keys = Array.from({ length: KEYS }, newKey);
      let now = 0;
      const tally = { won: 0, lost: 0, settled: 0, recorded: 0, overtaken: 0 };

      const fresh = (key: string) => request({ key, policy, trace });
      const seenOf = (model: Modelled): OperationRecord =>
        ({ operationId: model.operationId, version: model.version }) as OperationRecord;

      /** Mostly what can succeed as things stand, or could if no other call of the round came first. */
      function randomCall(key: string): Call {
        const model = models.get(key);
        const known = claims.get(key) ?? [];
        const newest = known.at(-1);
        if (model === undefined || newest === undefined) return { do: 'claim', request: fresh(key) };
        const runs = model.state === 'processing';
        const claim = below(4) === 0 ? pick(known) : newest;
        switch (
          runs
            ? pick(['claim', 'again', 'settle', 'settle', 'step', 'step', 'step', 'take'] as const)
            : pick(['claim', 'again', 'settle', 'step', 'take', 'take', 'take', 'take'] as const)
        ) {
          case 'claim':
            return { do: 'claim', request: fresh(key) };
          case 'again': {
            const { operationId, owner } = claim;
            return { do: 'claim', request: { ...fresh(key), operationId, owner } };
          }
          case 'settle':
            return { do: 'settle', claim, settlement: pick(SETTLEMENTS) };
          case 'step':
            return { do: 'step', claim, name: pick(['charge', 'mail']) };
          case 'take': {
            const other = model.state === 'released' && below(3) > 0 ? 'claimed' : 'expired';
            const cause = runs ? 'overtaken' : other;
            return { do: 'take', request: fresh(key), seen: seenOf(model), cause };
          }
        }
      }

      async function make(call: Call): Promise<string> {
        const store = pick(stores);
        switch (call.do) {
          case 'claim':
          case 'take': {
            const result = await (call.do === 'claim'
              ? store.claim(call.request)
              : store.take(call.request, call.seen, call.cause));
            if (!result.won) return 'lost';
            const { operationId, owner, attempt } = result.claim;
            claims.get(call.request.key)?.push(result.claim);
            return `won ${operationId} ${owner} ${attempt}`;
          }
          case 'settle': {
            const result = await store.settle(call.claim, call.settlement, trace);
            return result.kind === 'settled'
              ? 'settled'
              : `overtaken ${result.by.state} ${result.by.attempt}`;
          }
          case 'step': {
            const step = {
              name: call.name,
              kind: 'step',
              fingerprint: '',
              result: call.name,
              attempt: call.claim.attempt,
            } as const;
            const result = await store.recordStep(call.claim, step, trace);
            return result.kind === 'recorded'
              ? 'recorded'
              : `overtaken ${result.by.state} ${result.by.attempt}`;
          }
        }
      }

      for (let round = 0; round < ROUNDS; round++) {
        if (below(3) === 0) {
          const ms = pick([2 * HOUR, 26 * HOUR]);
          await db.travel(ms);
          now += ms;
        }
        const calls = Array.from({ length: CALLS }, () => pick(keys))
          .filter((key, i, all) => all.slice(0, i).filter((each) => each === key).length < PER_KEY)
          .map((key) => ({ key, call: randomCall(key) }));
        const answers = await Promise.all(calls.map(({ call }) => make(call)));
        for (const answer of answers) tally[answer.split(' ')[0] as keyof typeof tally]++;
        for (const [at, key] of keys.entries()) {
          const mine = calls.flatMap(({ key: of, call }, i) =>
            of === key ? [{ call, answer: answers[i] as string }] : [],
          );
          const record = (await stores[0]?.lookup({ ...fresh(key) }))?.record;
          const steps = record === undefined ? [] : await stores[0]?.steps(record.operationId);
          const found = explanations(models.get(key), mine, now, policy).filter(
            (model) =>
              model?.operationId === record?.operationId &&
              model?.state === record?.state &&
              model?.attempt === record?.attempt &&
              model?.owner === record?.owner &&
              model?.version === record?.version &&
              model?.outcome === record?.outcome &&
              [...(model?.steps ?? [])].sort().join() ===
                steps
                  ?.map(({ name }) => name)
                  .sort()
                  .join(),
          );
          expect(
            found,
            `round ${round}: ${JSON.stringify({ mine, before: models.get(key), record }, null, 1)}`,
          ).not.toEqual([]);
          if (found[0] !== undefined) models.set(key, found[0]);
          // Nobody but an operator brings it back.
          if (record?.state === 'suspended') keys[at] = newKey();
          if (record !== undefined) {
            const history = await stores[0]?.history(record.operationId);
            expect(history?.map(({ seq }) => seq)).toEqual(
              Array.from({ length: record.version }, (_, i) => i + 1),
            );
          }
        }
      }
      // Not about nothing.
      expect(Math.min(...Object.values(tally)), JSON.stringify(tally)).toBeGreaterThan(ROUNDS / 10);
    },
    60_000,
  );
});
