import assert from 'node:assert/strict';
import type { Claim, Decided, Decision, OperationRecord, Resolution, Store } from '@semel/server/store';
import { PATIENCE_MS } from './atomically-races.ts';
import { inTransactions, type StoreCase } from './case.ts';
import { withSecond } from './claim.ts';
import { DECISION, decided, enqueued, sendsNothing, undecided, WORKER, working } from './queued.ts';
import { assertRefused } from './refused.ts';
import { completed, MINUTE, outcome, POLICY, type Stage, TRACE, times } from './stage.ts';

export const COMPLETED: Resolution = { to: 'completed', outcome: outcome('it had been paid') };
export const FAILED: Resolution = { to: 'failed', outcome: outcome('it had not been paid') };

/** Each kind of operation that waits for a decision. */
async function allUndecided(stage: Stage): Promise<Claim[]> {
  const { settledAs } = stage;
  return [await settledAs('suspended'), await undecided(stage, 'suspended'), await undecided(stage, 'dead')];
}

export const resolveCases: readonly StoreCase[] = inTransactions([
  {
    title: 'resolves what waits for a decision, with its outcome, its expiry and who decided',
    async run(stage) {
      const { store, record } = stage;
      for (const resolution of [COMPLETED, FAILED])
        for (const claim of await allUndecided(stage)) {
          const before = await record(claim);
          const shown: OperationRecord[] = [];
          const answer = await store.decisions.resolve(
            claim.operationId,
            async (_, found) => {
              shown.push(found);
              return resolution;
            },
            DECISION,
          );
          assert.deepEqual(shown, [before]);
          const after = decided(answer);
          const { updatedAt } = after;
          assert.notEqual(after.owner, before.owner, 'no attempt is to take it for its own commit');
          const { owner } = after;
          const changed = {
            owner,
            version: before.version + 1,
            updatedAt,
            expiresAt: updatedAt + POLICY.ttlMs,
          };
          assert.deepEqual(after, {
            ...before,
            ...changed,
            state: resolution.to,
            outcome: resolution.outcome,
          });
          assert.deepEqual(await record(claim), after);
          assert.equal(await store.queue.work(claim.operationId), undefined, 'settled: its work is erased');
          await assertDecided(stage, before, after, 'resolved');
        }
    },
  },
  {
    title: 'decides nothing about an operation that is another than it was when it was looked at',
    run: decidesAsSeen,
  },
  {
    title: 'commits what the body wrote with the resolution',
    async run(stage) {
      for (const claim of await allUndecided(stage)) {
        decided(await resolve(stage, claim, COMPLETED));
        assert.equal(await stage.effects.count(claim.operationId), 1);
      }
    },
  },
  {
    title: 'leaves nothing of a body that does not decide or that throws',
    async run(stage) {
      const { store, record, effects } = stage;
      const error = new Error('the bank does not answer');
      for (const claim of await allUndecided(stage)) {
        const before = await record(claim);
        assert.deepEqual(await resolve(stage, claim, undefined), { kind: 'undecided' });
        await assert.rejects(resolve(stage, claim, error), (thrown) => thrown === error);
        assert.deepEqual(await record(claim), before);
        assert.equal((await store.history(claim.operationId)).length, before.version);
        assert.deepEqual(await store.decisions.decisions(claim.operationId), []);
        assert.equal(await effects.count(claim.operationId), 0);
        decided(await resolve(stage, claim, FAILED));
        assert.equal(await effects.count(claim.operationId), 1);
      }
    },
  },
  {
    title: 'resolves nothing that can go on by itself, is settled or does not exist, and runs no body',
    async run(stage) {
      const { store, running, settledAs, record, request } = stage;
      const others = [await running(), await settledAs('completed'), await settledAs('released')];
      for (const each of [...others, await enqueued(stage), await working(stage)]) {
        const seen = await record(each);
        const answer = await resolve(stage, each, COMPLETED);
        assert.ok(answer.kind === 'not_now');
        assert.deepEqual(answer.record, seen);
        assert.ok(answer.now >= seen.updatedAt);
        assert.deepEqual(await record(each), seen);
        assert.equal(await stage.effects.count(each.operationId), 0);
        assert.deepEqual(await store.decisions.decisions(each.operationId), []);
      }
      assert.deepEqual(await resolve(stage, request(), COMPLETED), { kind: 'absent' });
    },
  },
  {
    title: 'lets one of many decide at once, and keeps what that one wrote',
    run: (stage) => race(stage, [stage.store]),
  },
  {
    title: 'lets one of many over two connections decide at once',
    needs: ['second'],
    run: (stage) => withSecond(stage, (second) => race(stage, [stage.store, second])),
  },
  {
    title: 'makes nobody wait for somebody who is deciding',
    run: (stage) => nobodyWaits(stage, stage.store),
  },
  {
    title: 'makes nobody over another connection wait for somebody who is deciding',
    needs: ['second'],
    run: (stage) => withSecond(stage, (second) => nobodyWaits(stage, second)),
  },
  {
    title: 'never lets both a resolution and a redrive have one operation',
    async run(stage) {
      const { store, effects, record } = stage;
      const claim = await undecided(stage, 'dead');
      let redriving: Promise<Decided> | undefined;
      const answer = await store.decisions.resolve(
        claim.operationId,
        async () => {
          redriving = store.decisions.redrive(
            claim.operationId,
            { grantAttempts: 1 },
            (tx) => effects.write(tx, claim.operationId),
            DECISION,
          );
          const patience = new Promise((done) => setTimeout(done, PATIENCE_MS));
          await Promise.race([redriving, patience]);
          return COMPLETED;
        },
        DECISION,
      );
      const redriven = await redriving;
      assert.ok(redriven, 'the body ran');
      assert.deepEqual([answer.kind, redriven.kind].sort(), ['done', 'not_now']);
      const { state } = await record(claim);
      assert.equal(state, answer.kind === 'done' ? 'completed' : 'accepted');
      assert.equal(await effects.count(claim.operationId), answer.kind === 'done' ? 0 : 1);
      assert.equal((await store.decisions.decisions(claim.operationId)).length, 1);
    },
  },
  {
    title: 'refuses the owner that comes back after the decision, and keeps its outcome as evidence',
    async run(stage) {
      const { store, record } = stage;
      const claim = await undecided(stage, 'suspended');
      const after = decided(await resolve(stage, claim, FAILED));
      await assertRefused(store, claim, await store.settle(claim, completed('back'), TRACE), {
        by: { state: 'failed', attempt: 1 },
        attemptedState: 'completed',
        evidence: outcome('back'),
      });
      assert.deepEqual(await record(claim), after);
    },
  },
  {
    title: 'refuses the owner that comes back with the very outcome that was decided, and its effects',
    async run(stage) {
      const { store, record, effects } = stage;
      const claim = await undecided(stage, 'suspended');
      const settlement = completed('the same');
      const { outcome } = settlement;
      const after = decided(
        await store.decisions.resolve(
          claim.operationId,
          async () => ({ to: 'completed', outcome }),
          DECISION,
        ),
      );
      const result = await store.transact(
        claim,
        async (tx) => {
          await effects.write(tx, claim.operationId);
          return { kind: 'settle', settlement, value: undefined };
        },
        { timeoutMs: MINUTE, trace: TRACE },
      );
      assert.equal(result.kind, 'overtaken');
      assert.equal((await store.settle(claim, settlement, TRACE)).kind, 'overtaken');
      assert.equal(await effects.count(claim.operationId), 0);
      assert.deepEqual(await record(claim), after);
    },
  },
]);

/** Writes one effect, labelled with the operation's id, and decides so, throws, or doesn't decide. */
function resolve(
  { store, effects }: Pick<Stage, 'store' | 'effects'>,
  { operationId }: { operationId: string },
  end: Resolution | Error | undefined,
): Promise<Decided> {
  return store.decisions.resolve(
    operationId,
    async (tx) => {
      await effects.write(tx, operationId);
      if (end instanceof Error) throw end;
      return end;
    },
    DECISION,
  );
}

/** One more transition and one more row with who and why, both naming the same. */
export async function assertDecided(
  { store }: Stage,
  before: OperationRecord,
  after: OperationRecord,
  action: 'resolved' | 'redriven' | 'cancelled',
): Promise<void> {
  const { operationId } = before;
  const rows = await store.decisions.decisions(operationId);
  const { at = 0, ...told } = rows.at(-1) ?? {};
  assert.deepEqual(told, { operationId, seq: after.version, action, ...DECISION });
  assert.ok(Math.abs(at - after.updatedAt) < MINUTE);
  const { reason: _, ...trace } = DECISION;
  const { at: __, ...row } = (await store.history(operationId)).at(-1) ?? { at: 0 };
  const edge = { from: before.state, to: after.state, attempt: after.attempt, cause: action };
  assert.deepEqual(row, { seq: after.version, ...edge, ...trace });
}

async function race(stage: Stage, stores: readonly Store[]): Promise<void> {
  const { store, effects } = stage;
  for (const claim of await allUndecided(stage)) {
    const answers = await Promise.all(
      times(8, (i) => resolve({ effects, store: stores[i % stores.length] ?? store }, claim, COMPLETED)),
    );
    const kinds = answers.map(({ kind }) => kind).sort();
    assert.deepEqual(kinds, ['done', ...times(7, () => 'not_now')]);
    assert.equal(await effects.count(claim.operationId), 1);
    assert.equal((await store.decisions.decisions(claim.operationId)).length, 1);
  }
}

async function nobodyWaits(stage: Stage, other: Store): Promise<void> {
  const { store, effects, record } = stage;
  const claim = await undecided(stage, 'suspended', { trace: WORKER });
  const before = await record(claim);
  let meanwhile: Decided | undefined;
  const answer = await store.decisions.resolve(
    claim.operationId,
    async () => {
      meanwhile = await resolve({ effects, store: other }, claim, FAILED);
      return COMPLETED;
    },
    DECISION,
  );
  assert.ok(meanwhile?.kind === 'not_now');
  assert.deepEqual(meanwhile.record, before);
  assert.equal(decided(answer).state, 'completed');
  assert.equal(await effects.count(claim.operationId), 0, 'the other body did not run');
}

/** Every decision there is, by somebody who looks at an old page, and by somebody who has looked again. */
async function decidesAsSeen(stage: Stage): Promise<void> {
  const { store, record, settledAs } = stage;
  const { decisions } = store;
  const decide: readonly [
    () => Promise<Claim | OperationRecord>,
    (id: string, by: Decision) => Promise<Decided>,
  ][] = [
    [() => settledAs('suspended'), (id, by) => decisions.release(id, by)],
    [() => settledAs('suspended'), (id, by) => decisions.resolve(id, async () => COMPLETED, by)],
    [
      () => undecided(stage, 'dead'),
      (id, by) => decisions.redrive(id, { grantAttempts: 1 }, sendsNothing, by),
    ],
    [() => enqueued(stage), (id, by) => decisions.cancel(id, FAILED.outcome, by)],
  ];
  for (const [make, by] of decide) {
    const { operationId, ...identity } = await make();
    const seen = await record(identity);
    for (const version of [seen.version - 1, seen.version + 1]) {
      const refused = await by(operationId, { ...DECISION, version });
      assert.ok(refused.kind === 'not_now');
      assert.deepEqual(refused.record, seen);
    }
    assert.deepEqual(await record(identity), seen);
    assert.deepEqual(await decisions.decisions(operationId), []);
    decided(await by(operationId, { ...DECISION, version: seen.version }));
  }
}
