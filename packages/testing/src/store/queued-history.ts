import assert from 'node:assert/strict';
import { TRANSITIONS, type TransitionCause } from '@semel/contract/v1/pure';
import type { Claim, Settlement } from '@semel/server/store';
import type { StoreCase } from './case.ts';
import { assertHistory } from './history.ts';
import {
  DECISION,
  decided,
  deliver,
  enqueued,
  exhausted,
  QUEUED,
  rescheduled,
  sendsNothing,
  startedClaim,
  undecided,
  WORKER,
  working,
} from './queued.ts';
import { COMPLETED, FAILED } from './resolve.ts';
import {
  completed,
  failed,
  MINUTE,
  outcome,
  POLICY,
  RECOVERY,
  type Stage,
  SUSPENDED,
  sweepAll,
} from './stage.ts';

/** Causes that only queued work and decisions have. */
const CAUSES: ReadonlySet<TransitionCause> = new Set<TransitionCause>([
  'enqueued',
  'started',
  'cancelled',
  'rescheduled',
  'exhausted',
  'resumed',
  'redriven',
  'resolved',
]);

export const queuedHistoryCases: readonly StoreCase[] = [
  {
    title: 'makes every transition of the contract that work and decisions have, and no other',
    async run(stage) {
      const { store, record } = stage;
      const seen = new Set<string>();
      for (const { operationId } of await livedLives(stage)) {
        const history = await store.history(operationId);
        const found = (await store.find(operationId))?.record;
        assert.ok(found);
        assertHistory(history, found);
        assert.deepEqual(await record(found), found);
        for (const { from, to, cause } of history) if (CAUSES.has(cause)) seen.add(`${from} ${to} ${cause}`);
      }
      // A dead operation is a queued one: it goes back to the queue, nobody's retry could run it at once.
      const edges = TRANSITIONS.filter(({ from, cause }) => !(from === 'dead' && cause === 'resumed'));
      const expected = edges.filter(({ cause }) => CAUSES.has(cause));
      assert.deepEqual(
        [...seen].sort(),
        expected.map(({ from, to, cause }) => `${from} ${to} ${cause}`).sort(),
      );
    },
  },
];

/** Operations that have gone every way there is. */
async function livedLives(stage: Stage): Promise<readonly { operationId: string }[]> {
  const { store, settledAs, travel } = stage;
  const lives: { operationId: string }[] = [];
  const lived = (operation: { operationId: string }) => void lives.push(operation);
  const end = async (claim: Claim, settlement: Settlement) => {
    assert.equal((await store.settle(claim, settlement, WORKER)).kind, 'settled');
    lived(claim);
  };

  for (const settlement of [completed(), failed(), SUSPENDED, exhausted(), rescheduled()])
    await end(await working(stage), settlement);

  const cancelled = await enqueued(stage);
  decided(await store.decisions.cancel(cancelled.operationId, outcome('cancelled'), DECISION));
  lived(cancelled);

  for (const state of ['dead', 'suspended'] as const) {
    for (const resolution of [COMPLETED, FAILED]) {
      const claim = await undecided(stage, state);
      decided(await store.decisions.resolve(claim.operationId, async () => resolution, DECISION));
      lived(claim);
    }
    const claim = await undecided(stage, state);
    const { operationId } = claim;
    decided(await store.decisions.redrive(operationId, { grantAttempts: 1 }, sendsNothing, DECISION));
    await end(startedClaim(await deliver(store, claim)), completed());
  }

  const released = await settledAs('suspended');
  decided(await store.decisions.release(released.operationId, DECISION));
  lived(released);

  const zombie = await working(stage);
  const orphan = await working(stage, { policy: { ...QUEUED, maxAttempts: 1 } });
  await travel(POLICY.leaseMs + 5 * MINUTE);
  await end(startedClaim(await deliver(store, zombie)), completed());
  await sweepAll(() => store.sweepOrphans({ limit: 100, trace: RECOVERY }));
  lived(orphan);
  return lives;
}
