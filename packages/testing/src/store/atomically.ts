import assert from 'node:assert/strict';
import type { AtomicEnd, Sighting } from '@semel/server/store';
import { callAtomically, pays } from './atomic-call.ts';
import { atomicRaceCases } from './atomically-races.ts';
import { inTransactions, type StoreCase } from './case.ts';
import { failed, outcome, POLICY, TRACE } from './stage.ts';

const refuses = (effects: AtomicEnd<string>['effects']): AtomicEnd<string> => ({
  settlement: failed('card declined'),
  effects,
  value: 'refusal',
});

const cases: readonly StoreCase[] = [
  {
    title: 'commits effects and a settled record at once, with one transition and no lease',
    async run(stage) {
      const { store, atomic, effects, see } = stage;
      const request = atomic();
      const result = await callAtomically(stage, request);
      const { record } = await see(request);
      const { mayRun: _, timeoutMs: __, trace: ___, ...asked } = request;
      const at = record.updatedAt;
      assert.deepEqual(record, {
        ...asked,
        state: 'completed',
        attempt: 1,
        version: 1,
        createdAt: at,
        updatedAt: at,
        firstClaimedAt: at,
        expiresAt: at + POLICY.ttlMs,
        outcome: outcome('paid'),
      });
      assert.deepEqual(result, {
        kind: 'settled',
        value: 'value of paid',
        operationId: request.operationId,
        attempt: 1,
        expiresAt: at + POLICY.ttlMs,
      });
      assert.equal(await effects.count(request.scope + request.key), 1);
      assert.deepEqual(await store.history(request.operationId), [
        { seq: 1, from: null, to: 'completed', attempt: 1, at, cause: 'succeeded', ...TRACE },
      ]);
    },
  },
  {
    title: 'leaves nothing of a body that throws, throws the same error, and lets the next one run',
    async run(stage) {
      const { store, atomic, again, effects } = stage;
      const request = atomic();
      const thrown = new Error('thrown by the body');
      const failing = callAtomically(stage, request, () => {
        throw thrown;
      });
      await assert.rejects(failing, (error) => error === thrown);
      assert.equal(await store.lookup(request), undefined);
      assert.deepEqual(await store.history(request.operationId), []);
      assert.equal(await effects.count(request.scope + request.key), 0);
      const next = await callAtomically(stage, { ...request, ...again(request) }, () => refuses('discard'));
      assert.equal(next.kind, 'settled');
      assert.equal(await effects.count(request.scope + request.key), 0);
    },
  },
  {
    title: 'stores a thrown refusal without the effects of its body',
    async run(stage) {
      const request = stage.atomic();
      const result = await callAtomically(stage, request, () => refuses('discard'));
      assert.equal(result.kind, 'settled');
      const { state, outcome: stored } = await stage.record(request);
      assert.deepEqual({ state, stored }, { state: 'failed', stored: outcome('card declined') });
      assert.equal(await stage.effects.count(request.scope + request.key), 0);
      const [row] = await stage.store.history(request.operationId);
      assert.deepEqual([row?.from, row?.to, row?.cause], [null, 'failed', 'failed']);
    },
  },
  {
    title: 'stores a returned refusal together with the effects of its body',
    async run(stage) {
      const request = stage.atomic();
      await callAtomically(stage, request, () => refuses('keep'));
      assert.equal((await stage.record(request)).state, 'failed');
      assert.equal(await stage.effects.count(request.scope + request.key), 1);
    },
  },
  {
    title: 'asks mayRun with nothing where nothing is recorded, and with the whole record where it is',
    async run(stage) {
      const { atomic, again, see } = stage;
      const asked: (Sighting | 'nothing')[] = [];
      const mayRun = (found: Sighting | undefined) => {
        asked.push(found ?? 'nothing');
        return found === undefined;
      };
      const request = atomic({ mayRun });
      await callAtomically(stage, request);
      assert.equal(asked[0], 'nothing');
      await callAtomically(stage, { ...atomic({ mayRun }), ...again(request) });
      const [, second] = asked;
      assert.ok(second !== undefined && second !== 'nothing');
      assert.deepEqual(second.record, (await see(request)).record);
    },
  },
  {
    title: 'runs no body where mayRun says no, and answers with what exists',
    async run(stage) {
      const { store, running, settledAs, atomic, record } = stage;
      for (const claim of [await running(), await settledAs('completed'), await settledAs('suspended')]) {
        const before = await record(claim);
        const { scope, procedure, key } = claim;
        let ran = false;
        const result = await store.atomically(atomic({ scope, procedure, key }), async () => {
          ran = true;
          return pays();
        });
        assert.equal(ran, false);
        assert.ok(result.kind === 'existing');
        assert.deepEqual(result.record, before);
        assert.deepEqual(await record(claim), before);
      }
    },
  },
  {
    title: 'refuses in the write what mayRun should not have let run',
    async run(stage) {
      const { running, settledAs, atomic, record, effects } = stage;
      for (const claim of [await running(), await settledAs('completed'), await settledAs('suspended')]) {
        const before = await record(claim);
        const { scope, procedure, key } = claim;
        const request = atomic({ scope, procedure, key, mayRun: () => true });
        const [result] = await Promise.allSettled([callAtomically(stage, request)]);
        assert.ok(result.status === 'rejected' || result.value.kind === 'existing', 'not settled');
        assert.equal(await effects.count(scope + key), 0);
        assert.deepEqual(await record(claim), before);
      }
    },
  },
  {
    title: 'goes on with a released operation: the next attempt, settled in one transition',
    async run(stage) {
      const { store, settledAs, atomic, record } = stage;
      const released = await settledAs('released');
      const { scope, procedure, key, operationId } = released;
      const request = atomic({ scope, procedure, key, fingerprint: 'v1:another body', mayRun: () => true });
      const result = await callAtomically(stage, request);
      assert.ok(result.kind === 'settled');
      assert.deepEqual([result.operationId, result.attempt], [operationId, 2]);
      const { fingerprint, attempt, version, state } = await record(released);
      assert.deepEqual(
        { fingerprint, attempt, version, state },
        { fingerprint: 'v1:first', attempt: 2, version: 3, state: 'completed' },
      );
      const [, , row] = await store.history(operationId);
      const { at: _, ...told } = row ?? { at: 0 };
      assert.deepEqual(told, {
        seq: 3,
        from: 'released',
        to: 'completed',
        attempt: 2,
        cause: 'succeeded',
        ...TRACE,
      });
    },
  },
  {
    title: 'commits once under every isolation level',
    async run(stage) {
      for (const isolation of ['read committed', 'repeatable read', 'serializable'] as const) {
        const request = stage.atomic({ isolation });
        assert.equal((await callAtomically(stage, request)).kind, 'settled');
        const again = { ...stage.atomic({ isolation }), ...stage.again(request) };
        assert.equal((await callAtomically(stage, again)).kind, 'existing');
        assert.equal(await stage.effects.count(request.scope + request.key), 1);
      }
    },
  },
  {
    title: 'commits nothing of an atomic body that failed inside, though it swallowed the error',
    needs: ['breakTransaction'],
    async run({ store, atomic, effects, breakTransaction }) {
      const request = atomic();
      const broken = store.atomically(request, async (tx) => {
        await effects.write(tx, request.scope + request.key);
        await breakTransaction(tx);
        return pays();
      });
      await assert.rejects(broken);
      assert.equal(await effects.count(request.scope + request.key), 0);
      assert.equal(await store.lookup(request), undefined);
    },
  },
  {
    title: "tells an atomic body that commits behind the store's back, and settles nothing",
    needs: ['commitBehindTheBack'],
    async run({ store, atomic, effects, commitBehindTheBack }) {
      const request = atomic();
      const sneaky = store.atomically(request, async (tx) => {
        await effects.write(tx, request.scope + request.key);
        await commitBehindTheBack(tx);
        return pays();
      });
      await assert.rejects(sneaky);
      assert.equal(await store.lookup(request), undefined);
    },
  },
];

export const atomicCases = inTransactions([...cases, ...atomicRaceCases]);
