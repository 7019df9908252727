import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type {
  AtomicRequest,
  Claim,
  ClaimRequest,
  ClaimResult,
  OperationIdentity,
  OperationRecord,
  RecordedPolicy,
  Sighting,
  Store,
  SweepReport,
} from '@semel/server/store';
import type { OpenedStore } from './harness.ts';

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const YEAR = 365 * 24 * HOUR;

/**
 * Every bound lies minutes from the times that cases travel to: the real time that a slow database needs between two
 * steps can't change an answer.
 */
export const POLICY: RecordedPolicy = {
  mode: 'leased',
  onCrash: 'suspend',
  leaseMs: HOUR,
  maxRunMs: 2 * HOUR,
  maxAttempts: 5,
  downstreamWindowMs: 20 * HOUR,
  ttlMs: 24 * HOUR,
};

export const TRACE = { actor: 'request', traceId: 'trace-1' } as const;
export const RECOVERY = { actor: 'recovery' } as const;

/** What the store records for an answer; opaque to it. */
export const outcome = (value: string) => JSON.stringify({ v: 1, ok: true, value: { json: value } });
export const completed = (value = 'done') =>
  ({ to: 'completed', cause: 'succeeded', outcome: outcome(value) }) as const;
export const failed = (value = 'refused') =>
  ({ to: 'failed', cause: 'failed', outcome: outcome(value) }) as const;
export const RELEASED = { to: 'released', cause: 'released' } as const;
export const SUSPENDED = { to: 'suspended', cause: 'outcome_unknown' } as const;

/** 128 random bits in the form that the engine gives to operation ids and owners. */
export const randomId = () => randomBytes(16).toString('base64url');

/** An opened store, and short ways to get an operation into the state that a case begins with. */
export type Stage = ReturnType<typeof createStage>;

export function createStage(opened: OpenedStore) {
  const { store } = opened;
  const scope = `suite:${randomId()}`;
  let made = 0;

  /** A request for a new identity in this stage's own scope. */
  function request(overrides: Partial<ClaimRequest> = {}): ClaimRequest {
    made += 1;
    return {
      scope,
      procedure: 'payments.create',
      key: `key-${made}`,
      operationId: randomId(),
      owner: randomId(),
      fingerprint: 'v1:first',
      policy: POLICY,
      trace: TRACE,
      ...overrides,
    };
  }

  /** Another request for the identity of one that exists: an owner and a proposed id of its own. */
  function again(of: OperationIdentity, overrides: Partial<ClaimRequest> = {}): ClaimRequest {
    return request({ scope: of.scope, procedure: of.procedure, key: of.key, ...overrides });
  }

  function atomic(overrides: Partial<AtomicRequest> = {}): AtomicRequest {
    return {
      ...request(overrides),
      mayRun: (found) => found === undefined,
      timeoutMs: 15 * SECOND,
      ...overrides,
    };
  }

  async function running(overrides: Partial<ClaimRequest> = {}, on: Store = store): Promise<Claim> {
    return won(await on.claim(request(overrides)));
  }

  async function see(identity: OperationIdentity): Promise<Sighting> {
    const seen = await store.lookup(identity);
    assert.ok(seen, 'the operation is recorded');
    return seen;
  }

  async function record(identity: OperationIdentity): Promise<OperationRecord> {
    return (await see(identity)).record;
  }

  async function settledAs(to: 'completed' | 'failed' | 'released' | 'suspended'): Promise<Claim> {
    const claim = await running();
    const settlement = { completed: completed(), failed: failed(), released: RELEASED, suspended: SUSPENDED }[
      to
    ];
    assert.equal((await store.settle(claim, settlement, TRACE)).kind, 'settled');
    return claim;
  }

  /** The claim of a first attempt whose lease ran out, and that of the attempt which took over. */
  async function overtaken(): Promise<{ zombie: Claim; successor: Claim }> {
    const zombie = await running({ policy: { ...POLICY, onCrash: 'resume' } });
    await opened.travel(POLICY.leaseMs + MINUTE);
    const successor = won(await store.take(again(zombie), await record(zombie), 'overtaken'));
    return { zombie, successor };
  }

  const options = { timeoutMs: 15 * SECOND, trace: TRACE };
  // Functions of their own, so that a case can take them apart: a harness may be an object with a `this`.
  const harness = {
    effects: opened.effects,
    second: () => opened.second?.(),
    travel: (ms: number) => opened.travel(ms),
    breakTransaction: async (tx: unknown) => opened.breakTransaction?.(tx),
    commitBehindTheBack: async (tx: unknown) => opened.commitBehindTheBack?.(tx),
  };
  return {
    ...harness,
    store,
    scope,
    request,
    again,
    atomic,
    running,
    see,
    record,
    settledAs,
    overtaken,
    options,
  };
}

export function won(result: ClaimResult): Claim {
  assert.ok(result.won, 'the claim is won');
  return result.claim;
}

export function lost(result: ClaimResult): OperationRecord {
  assert.ok(!result.won, 'the claim is lost');
  return result.record;
}

/**
 * Sweeps until all was looked at. Two rounds, because a cursor may be shared with other sweepers and the first round may
 * begin in the middle.
 */
export async function sweepAll<Changed>(
  sweep: () => Promise<Omit<SweepReport, 'changed'> & { readonly changed: readonly Changed[] }>,
): Promise<readonly Changed[]> {
  const changed: Changed[] = [];
  for (let round = 0, calls = 0; round < 2; calls++) {
    assert.ok(calls < 10_000, 'a sweep comes to an end');
    const report = await sweep();
    changed.push(...report.changed);
    if (report.complete) round += 1;
  }
  return changed;
}

export const times = <T>(n: number, make: (index: number) => T): T[] =>
  Array.from({ length: n }, (_, i) => make(i));
