import assert from 'node:assert/strict';
import { isTransition, TRANSITIONS } from '@semel/contract/v1/pure';
import type { OperationRecord, Transition } from '@semel/server/store';
import type { StoreCase } from './case.ts';
import { completed, MINUTE, POLICY, RECOVERY, RELEASED, SUSPENDED, TRACE, times, won } from './stage.ts';
import { step } from './steps.ts';

/** The history of an operation without gaps, ending where its record stands, on edges of the contract only. */
export function assertHistory(history: readonly Transition[], record: OperationRecord): void {
  assert.deepEqual(
    history.map(({ seq }) => seq),
    times(record.version, (i) => i + 1),
    'one row for each transition, in order',
  );
  let before: Transition | undefined;
  for (const row of history) {
    assert.equal(row.from, before?.to ?? null, 'begins where the one before ended');
    assert.ok(
      isTransition(row.from, row.to, row.cause),
      `${row.from} -> ${row.to} (${row.cause}) is allowed`,
    );
    const grows = edge(row)?.attempt === 'next' ? 1 : 0;
    assert.equal(row.attempt, (before?.attempt ?? 0) + grows, 'the fence grows with each attempt');
    assert.ok(row.at >= (before?.at ?? 0), 'time does not go back');
    before = row;
  }
  assert.deepEqual([before?.to, before?.attempt], [record.state, record.attempt]);
  assert.equal(before?.at, record.updatedAt);
}

function edge({ from, to, cause }: Transition) {
  return TRANSITIONS.find((row) => row.from === from && row.to === to && row.cause === cause);
}

function withoutTime(row: Transition): Omit<Transition, 'at'> {
  const { at: _, ...rest } = row;
  return rest;
}

export const historyCases: readonly StoreCase[] = [
  {
    title: 'keeps one row for each accepted transition, with who made it and when',
    async run({ store, running, again, record, travel }) {
      const first = await running();
      await travel(POLICY.leaseMs + MINUTE);
      const taker = again(first, { trace: { actor: 'request', traceId: 'trace-2' } });
      const second = won(await store.take(taker, await record(first), 'overtaken'));
      await store.settle(second, RELEASED, TRACE);
      const third = won(await store.take(again(first), await record(first), 'claimed'));
      await store.settle(third, SUSPENDED, { actor: 'worker' });
      const history = await store.history(first.operationId);
      assert.deepEqual(history.map(withoutTime), [
        { seq: 1, from: null, to: 'processing', attempt: 1, cause: 'claimed', ...TRACE },
        { seq: 2, from: 'processing', to: 'processing', attempt: 2, cause: 'overtaken', ...taker.trace },
        { seq: 3, from: 'processing', to: 'released', attempt: 2, cause: 'released', ...TRACE },
        { seq: 4, from: 'released', to: 'processing', attempt: 3, cause: 'claimed', ...TRACE },
        {
          seq: 5,
          from: 'processing',
          to: 'suspended',
          attempt: 3,
          cause: 'outcome_unknown',
          actor: 'worker',
        },
      ]);
      assertHistory(history, await record(first));
    },
  },
  {
    title: 'keeps the row of an orphan that recovery suspends',
    async run({ store, running, record, travel }) {
      const claim = await running();
      await travel(POLICY.leaseMs + MINUTE);
      await store.suspendOrphan(await record(claim), RECOVERY);
      const history = await store.history(claim.operationId);
      assertHistory(history, await record(claim));
      assert.deepEqual([history[1]?.cause, history[1]?.actor], ['outcome_unknown', 'recovery']);
    },
  },
  {
    title: 'writes no row for renewals, recovery points and what was refused',
    async run({ store, overtaken, again, record }) {
      const { zombie, successor } = await overtaken();
      const seen = await record(successor);
      await store.renew([successor, zombie]);
      await store.recordStep(successor, step('charge'), TRACE);
      await store.settle(zombie, completed('late'), TRACE);
      await store.recordStep(zombie, step('late'), TRACE);
      await store.claim(again(zombie));
      await store.take(again(zombie), seen, 'overtaken');
      await store.suspendOrphan(seen, RECOVERY);
      const history = await store.history(successor.operationId);
      assert.equal(history.length, 2);
      assertHistory(history, await record(successor));
      assert.equal((await store.rejected(successor.operationId)).length, 2);
    },
  },
  {
    title: 'keeps a rejected transition once and counts it, however many report it at once',
    async run({ store, running }) {
      const { operationId } = await running();
      const rejection = {
        operationId,
        storedState: 'completed',
        storedAttempt: 2,
        attemptedState: 'released',
        attemptedAttempt: 1,
        actor: 'request',
      } as const;
      await Promise.all(times(10, () => store.recordRejected(rejection)));
      await store.recordRejected({ ...rejection, attemptedState: 'suspended' });
      const rows = await store.rejected(operationId);
      assert.deepEqual(rows.map(({ attemptedState, count }) => `${attemptedState} ${count}`).sort(), [
        'released 10',
        'suspended 1',
      ]);
      const { count: _, firstAt, lastAt, ...told } = rows.find((row) => row.count === 10) ?? {};
      assert.deepEqual(told, rejection);
      assert.ok(firstAt !== undefined && lastAt !== undefined && firstAt <= lastAt);
    },
  },
  {
    title: 'knows no history, steps or rejected transitions of an operation that does not exist',
    async run({ store, request }) {
      const { operationId } = request();
      assert.deepEqual(await store.history(operationId), []);
      assert.deepEqual(await store.steps(operationId), []);
      assert.deepEqual(await store.rejected(operationId), []);
    },
  },
];
