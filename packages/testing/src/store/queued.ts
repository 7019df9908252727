import assert from 'node:assert/strict';
import type {
  Claim,
  Decided,
  EnqueueRequest,
  EnqueueResult,
  OperationIdentity,
  OperationRecord,
  QueuedWork,
  RecordedPolicy,
  StartRequest,
  StartResult,
  Store,
} from '@semel/server/store';
import { POLICY, randomId, type Stage, SUSPENDED } from './stage.ts';

// Short ways to get queued work into the state that a case begins with.

export const QUEUED: RecordedPolicy = { ...POLICY, mode: 'queued', onCrash: 'resume' };
export const WORK: QueuedWork = {
  principal: 'user:1',
  input: JSON.stringify({ json: { amount: 7 } }),
  deadLetterOwner: 'payments',
};
export const WORKER = { actor: 'worker', traceId: 'trace-worker' } as const;
export const DECISION = {
  actor: 'operator:alice',
  traceId: 'trace-decision',
  reason: 'ticket 4711',
} as const;

export const rescheduled = (delayMs = 0, lastError = 'timed out') =>
  ({ to: 'accepted', cause: 'rescheduled', delayMs, lastError }) as const;
export const exhausted = (lastError = 'gave up') => ({ to: 'dead', cause: 'exhausted', lastError }) as const;

/** For cases that don't look at what is sent. */
export const sendsNothing = async (): Promise<void> => {};

/** A request that enqueues work for a new identity. */
export function work(stage: Stage, overrides: Partial<EnqueueRequest> = {}): EnqueueRequest {
  return { ...stage.request({ policy: QUEUED }), work: WORK, ...overrides };
}

/** Another request for the same identity: an owner and a proposed id of its own. */
export function workAgain(stage: Stage, of: OperationIdentity): EnqueueRequest {
  return { ...stage.again(of, { policy: QUEUED }), work: WORK };
}

/** Enqueues and sends: one effect under the label of the identity. */
export function enqueue(
  { store, effects }: Pick<Stage, 'store' | 'effects'>,
  request: EnqueueRequest,
): Promise<EnqueueResult> {
  return store.queue.enqueue(request, (tx) => effects.write(tx, sentLabel(request)));
}

export const sentLabel = ({ scope, key }: { scope: string; key: string }) => `sent ${scope} ${key}`;

export async function enqueued(
  stage: Stage,
  overrides: Partial<EnqueueRequest> = {},
): Promise<OperationRecord> {
  return accepted(await stage.store.queue.enqueue(work(stage, overrides), sendsNothing));
}

export function accepted(result: EnqueueResult): OperationRecord {
  assert.ok(result.won, 'it is enqueued');
  return result.record;
}

export function delivery(operationId: string): StartRequest {
  return { operationId, owner: randomId(), trace: WORKER };
}

export async function deliver(store: Store, { operationId }: { operationId: string }): Promise<StartResult> {
  return store.queue.start(delivery(operationId));
}

export function startedClaim(result: StartResult): Claim {
  assert.equal(result.kind, 'started');
  assert.ok(result.kind === 'started');
  return result.claim;
}

/** Enqueued and started. */
export async function working(stage: Stage, overrides: Partial<EnqueueRequest> = {}): Promise<Claim> {
  return startedClaim(await deliver(stage.store, await enqueued(stage, overrides)));
}

/** Queued work that waits for a decision; the claim is that of its only attempt. */
export async function undecided(
  stage: Stage,
  state: 'dead' | 'suspended',
  overrides: Partial<EnqueueRequest> = {},
): Promise<Claim> {
  const claim = await working(stage, overrides);
  const end = state === 'dead' ? exhausted() : SUSPENDED;
  assert.equal((await stage.store.settle(claim, end, WORKER)).kind, 'settled');
  return claim;
}

export function decided(result: Decided): OperationRecord {
  assert.equal(result.kind, 'done');
  assert.ok(result.kind === 'done');
  return result.record;
}
