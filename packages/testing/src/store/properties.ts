import assert from 'node:assert/strict';
import type { Claim, OperationRecord } from '@semel/server/store';
import fc from 'fast-check';
import { type Action, causeFor, everything, requests, settlementOf } from './actions.ts';
import type { StoreCase } from './case.ts';
import { assertHistory } from './history.ts';
import * as model from './model.ts';
import { POLICY, RECOVERY, type Stage, sweepAll, TRACE, times } from './stage.ts';
import { step } from './steps.ts';

/** Enough to find most single mistakes by themselves, few enough for a database on a busy machine. */
const RUNS = 60;

export const propertyCases: readonly StoreCase[] = [
  {
    title: 'answers any sequence of requests, zombies, sweeps and passing time as the model does',
    isLong: true,
    async run(stage) {
      const sequence = fc.array(everything, { minLength: 10, maxLength: 25, size: 'max' });
      await fc.assert(
        fc.asyncProperty(sequence, fc.boolean(), (actions, resumes) => follow(stage, actions, resumes)),
        { numRuns: RUNS },
      );
    },
  },
  {
    title: 'gives each attempt to one owner and one end when requests and zombies interleave',
    isLong: true,
    async run(stage) {
      const worker = fc.array(requests, { minLength: 3, maxLength: 10 });
      await fc.assert(
        fc.asyncProperty(fc.array(worker, { minLength: 2, maxLength: 4 }), (workers) =>
          interleave(stage, workers),
        ),
        { numRuns: RUNS },
      );
    },
  },
];

const nameOf = ({ operationId, attempt }: Claim) => `${operationId} attempt ${attempt}`;

/** Does one thing after the other to the store and to the model, and compares answers and what is recorded. */
async function follow(stage: Stage, actions: readonly Action[], resumes: boolean): Promise<void> {
  const { store, request, again, travel } = stage;
  const policy = { ...POLICY, onCrash: resumes ? 'resume' : 'suspend', maxAttempts: 3 } as const;
  const keys = times(2, () => request({ policy }));
  const known: (model.ModelOperation | undefined)[] = [undefined, undefined];
  const seen: (OperationRecord | undefined)[] = [undefined, undefined];
  const claims: { claim: Claim; key: number }[] = [];
  let now = 0;

  async function act(action: Action): Promise<void> {
    switch (action.do) {
      case 'travel':
        now += action.ms;
        return travel(action.ms);
      case 'sweepOrphans':
        await sweepAll(() => store.sweepOrphans({ limit: 100, trace: RECOVERY }));
        for (const key of [0, 1]) known[key] = known[key] && model.orphanSwept(known[key], now);
        return;
      case 'sweepExpired':
        await sweepAll(() => store.sweepExpired({ limit: 100 }));
        for (const key of [0, 1]) known[key] = model.expiredSwept(known[key], now);
        return;
      case 'claim':
      case 'take':
      case 'suspendOrphan':
        return ask(action);
      case 'settle':
      case 'renew':
      case 'step':
        return write(action);
    }
  }

  async function ask(action: Extract<Action, { key: number }>): Promise<void> {
    const { key } = action;
    const identity = keys[key];
    assert.ok(identity);
    const asked = again(identity, { policy, fingerprint: `v1:${claims.length}` });
    const before = known[key];
    const current = (await store.lookup(identity))?.record;
    const subject = action.do === 'take' && action.stale ? seen[key] : current;
    seen[key] = current;
    if (action.do === 'claim') {
      known[key] ??= model.claimed(asked, now);
      const result = await store.claim(asked);
      assert.equal(result.won, before === undefined);
      if (result.won) claims.push({ claim: result.claim, key });
    } else if (before === undefined || subject === undefined) return;
    else if (action.do === 'suspendOrphan') {
      known[key] = model.orphanSuspended(before, now);
      await store.suspendOrphan(subject, RECOVERY);
    } else {
      const cause = causeFor(before.state, action.cause);
      const unchanged = subject.version === before.version && subject.operationId === before.operationId;
      const after = unchanged ? model.taken(before, asked, cause, now) : before;
      known[key] = after;
      const result = await store.take(asked, subject, cause);
      assert.equal(result.won, after !== before);
      if (result.won) claims.push({ claim: result.claim, key });
    }
  }

  async function write(action: Extract<Action, { who: number }>): Promise<void> {
    const { claim, key } = claims[action.who % Math.max(1, claims.length)] ?? {};
    if (claim === undefined || key === undefined) return;
    const before = known[key];
    const holds = model.holds(before, claim);
    if (action.do === 'renew') {
      known[key] = before && model.renewed(before, claim, now);
      assert.equal((await store.renew([claim]))[0]?.renewed, holds);
    } else if (action.do === 'step') {
      known[key] = before && model.stepped(before, claim, action.name);
      const result = await store.recordStep(claim, step(action.name), TRACE);
      assert.equal(result.kind, holds ? 'recorded' : 'overtaken');
    } else {
      const settlement = settlementOf(action.to, nameOf(claim));
      const accepted = holds || model.settledSo(before, claim, settlement);
      known[key] = before && model.settled(before, claim, settlement, now);
      const result = await store.settle(claim, settlement, TRACE);
      assert.equal(result.kind, accepted ? 'settled' : 'overtaken');
      if (result.kind === 'overtaken' && before)
        assert.deepEqual(result.by, { state: before.state, attempt: before.attempt });
    }
  }

  for (const action of actions) {
    await act(action);
    for (const [key, identity] of keys.entries())
      await assertAsModelled(stage, (await store.lookup(identity))?.record, known[key]);
  }
}

async function assertAsModelled(
  { store }: Stage,
  record: OperationRecord | undefined,
  expected: model.ModelOperation | undefined,
): Promise<void> {
  if (record === undefined || expected === undefined) return assert.equal(record, expected);
  const { operationId, state, attempt, owner, version, fingerprint, outcome } = record;
  const { steps, policy: _, firstClaimedAt: __, leaseUntil: ___, freeAt: ____, ...told } = expected;
  assert.deepEqual({ operationId, state, attempt, owner, version, fingerprint, outcome }, told);
  assertHistory(await store.history(operationId), record);
  const names = (await store.steps(operationId)).map((each) => each.name);
  assert.deepEqual(names.sort(), [...steps].sort());
}

/** Several at once, in whatever order the store makes of it: what must hold then of any order. */
async function interleave(stage: Stage, workers: readonly (readonly Action[])[]): Promise<void> {
  const { store, request, again, travel } = stage;
  const policy = { ...POLICY, onCrash: 'resume', maxAttempts: 1000 } as const;
  const keys = times(2, () => request({ policy }));
  const claims: Claim[] = [];
  const ends = new Map<string, Set<string>>();
  // One of the two is an orphan from the start, the other one is new.
  const first = await store.claim(keys[0] ?? request());
  if (first.won) claims.push(first.claim);
  await travel(POLICY.leaseMs * 1.1);

  async function act(action: Action): Promise<void> {
    if ('who' in action) {
      const claim = claims[action.who % Math.max(1, claims.length)];
      if (claim === undefined) return;
      if (action.do === 'renew') await store.renew([claim]);
      else if (action.do === 'step') await store.recordStep(claim, step(action.name), TRACE);
      else {
        const settlement = settlementOf(action.to, nameOf(claim));
        if ((await store.settle(claim, settlement, TRACE)).kind === 'settled')
          ends.set(nameOf(claim), (ends.get(nameOf(claim)) ?? new Set()).add(settlement.to));
      }
    } else if ('key' in action) {
      const asked = again(keys[action.key] ?? request(), { policy });
      const seen = (await store.lookup(asked))?.record;
      if (action.do === 'suspendOrphan') {
        if (seen) await store.suspendOrphan(seen, RECOVERY);
        return;
      }
      if (action.do === 'take' && seen === undefined) return;
      const result =
        action.do === 'take' && seen
          ? await store.take(asked, seen, causeFor(seen.state, action.cause))
          : await store.claim(asked);
      if (result.won) claims.push(result.claim);
    }
  }

  await Promise.all(
    workers.map(async (actions) => {
      for (const action of actions) await act(action);
    }),
  );

  assert.equal(new Set(claims.map(nameOf)).size, claims.length, 'no attempt was given twice');
  for (const [name, kinds] of ends) assert.equal(kinds.size, 1, `${name} ended in one way`);
  for (const identity of keys) {
    const record = (await store.lookup(identity))?.record;
    if (record) assertHistory(await store.history(record.operationId), record);
  }
}
