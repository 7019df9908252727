import assert from 'node:assert/strict';
import type { AtomicResult, Store } from '@semel/server/store';
import { callAtomically, pays } from './atomic-call.ts';
import type { StoreCase } from './case.ts';
import { withSecond } from './claim.ts';
import { type Stage, times } from './stage.ts';

/** More than any store needs for a claim; only bounds how long a case waits for one that has to wait itself. */
export const PATIENCE_MS = 300;

export const atomicRaceCases: readonly StoreCase[] = [
  {
    title: 'tells a second call that the operation is held, without asking mayRun or running its body',
    run: (stage) => findsHeld(stage, stage.store),
  },
  {
    title: 'tells a second call over another connection that the operation is held',
    needs: ['second'],
    run: (stage) => withSecond(stage, (second) => findsHeld(stage, second)),
  },
  {
    title: 'lets exactly one of 16 simultaneous atomic calls settle',
    run: (stage) => race(stage, [stage.store]),
  },
  {
    title: 'lets exactly one of 16 simultaneous atomic calls over two connections settle',
    needs: ['second'],
    run: (stage) => withSecond(stage, (second) => race(stage, [stage.store, second])),
  },
  {
    title: 'never lets both a claim and an atomic call have one operation',
    async run(stage) {
      const { store, atomic, again, effects, record } = stage;
      const request = atomic();
      let claiming: ReturnType<Store['claim']> | undefined;
      const result = await callAtomically(stage, request, async () => {
        claiming = store.claim(again(request));
        const patience = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
        await Promise.race([claiming, patience]);
        return pays();
      });
      const claim = await claiming;
      assert.ok(claim, 'the body ran');
      assert.equal(claim.won, result.kind === 'existing', 'one of them has it');
      assert.equal(await effects.count(request.scope + request.key), claim.won ? 0 : 1);
      assert.equal((await record(request)).state, claim.won ? 'processing' : 'completed');
    },
  },
  {
    title: 'keeps atomic calls of different operations independent',
    async run(stage) {
      const results = await Promise.all(times(4, () => callAtomically(stage, stage.atomic())));
      for (const { kind } of results) assert.equal(kind, 'settled');
    },
  },
];

/** While one body is open, another call for the same operation. */
async function findsHeld(stage: Stage, other: Store): Promise<void> {
  const { atomic, again, effects } = stage;
  const request = atomic();
  let asked = false;
  let ran = false;
  let meanwhile: AtomicResult<string> | undefined;
  const first = await callAtomically(stage, request, async () => {
    const mayRun = () => {
      asked = true;
      return true;
    };
    meanwhile = await other.atomically({ ...request, ...again(request), mayRun }, async () => {
      ran = true;
      return pays('second');
    });
    return pays('first');
  });
  assert.deepEqual(meanwhile, { kind: 'held' });
  assert.deepEqual({ asked, ran }, { asked: false, ran: false }, 'nothing happens without the lock');
  assert.equal(first.kind, 'settled');
  assert.equal(await effects.count(request.scope + request.key), 1);
  const later = await callAtomically(stage, { ...request, ...again(request) });
  assert.equal(later.kind, 'existing');
}

async function race(stage: Stage, stores: readonly Store[]): Promise<void> {
  const { atomic, again, effects, store } = stage;
  const first = atomic();
  const results = await Promise.all(
    times(16, (i) =>
      callAtomically({ ...stage, store: stores[i % stores.length] ?? store }, { ...first, ...again(first) }),
    ),
  );
  const settled = results.filter(({ kind }) => kind === 'settled');
  assert.equal(settled.length, 1, 'one settles');
  for (const { kind } of results) assert.ok(kind !== 'unknown');
  assert.equal(await effects.count(first.scope + first.key), 1);
  const record = await stage.record(first);
  assert.equal((await store.history(record.operationId)).length, 1);
}
