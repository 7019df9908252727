import { describe, expect, test } from 'vitest';
import { EXPIRY_GRACE_MS, type OperationRecord, type RecordedPolicy } from '../store/port.ts';
import { type Asking, decide } from './decide.ts';

const HOUR = 3_600_000;
const NOW = 1_000 * HOUR;
const policy: RecordedPolicy = {
  mode: 'leased',
  onCrash: 'suspend',
  leaseMs: 30_000,
  maxRunMs: 900_000,
  maxAttempts: 20,
  downstreamWindowMs: 20 * HOUR,
  ttlMs: 24 * HOUR,
};
const record = (change: Partial<OperationRecord>): OperationRecord => ({
  scope: 'alice',
  procedure: 'p',
  key: 'k',
  operationId: 'o',
  state: 'processing',
  attempt: 1,
  owner: 'w',
  fingerprint: 'v1:a',
  policy,
  version: 1,
  createdAt: NOW - HOUR,
  updatedAt: NOW - HOUR,
  firstClaimedAt: NOW - HOUR,
  ...change,
});
const asking: Asking = { fingerprint: 'v1:a', ageMs: undefined, ttlMs: 24 * HOUR, mismatch: 'reject' };
const judge = (change: Partial<OperationRecord> | undefined, more: Partial<Asking> = {}) =>
  decide(change && { record: record(change), now: NOW }, { ...asking, ...more });
const resumable = { ...policy, onCrash: 'resume' as const };

describe('where no record exists', () => {
  test('a young key or one of unknown age is claimed', () => {
    expect(judge(undefined)).toEqual({ do: 'claim' });
    expect(judge(undefined, { ageMs: 23 * HOUR })).toEqual({ do: 'claim' });
  });
  test('a key as old as the retention less five minutes is refused: there may have been a record', () => {
    expect(judge(undefined, { ageMs: 24 * HOUR - 5 * 60_000 })).toEqual({ do: 'claim' });
    expect(judge(undefined, { ageMs: 24 * HOUR - 5 * 60_000 + 1 })).toEqual({
      do: 'refuse',
      code: 'key_expired',
    });
  });
});

describe('a settled record', () => {
  const settled = { state: 'completed', expiresAt: NOW + HOUR, outcome: '{}' } as const;
  test('is replayed, also within the grace after its expiry', () => {
    expect(judge(settled)).toEqual({ do: 'replay' });
    expect(judge({ ...settled, state: 'failed' })).toEqual({ do: 'replay' });
    expect(judge({ ...settled, expiresAt: NOW - EXPIRY_GRACE_MS })).toEqual({ do: 'replay' });
  });
  test('past the grace is as good as absent, and an old key is refused', () => {
    const gone = { ...settled, expiresAt: NOW - EXPIRY_GRACE_MS - 1 };
    expect(judge(gone)).toEqual({ do: 'take', cause: 'expired' });
    expect(judge(gone, { fingerprint: 'v1:other' })).toEqual({ do: 'take', cause: 'expired' });
    expect(judge(gone, { ageMs: 25 * HOUR })).toEqual({ do: 'refuse', code: 'key_expired' });
  });
  test('with another fingerprint is refused, or replayed where the policy is lenient', () => {
    const other = { fingerprint: 'v1:other' };
    expect(judge(settled, other)).toEqual({ do: 'refuse', code: 'key_reused' });
    expect(judge(settled, { ...other, mismatch: 'replay' })).toEqual({ do: 'replay' });
  });
});

describe('an unsettled record', () => {
  test('refuses another fingerprint in every state, lenient or not', () => {
    for (const state of ['accepted', 'processing', 'released', 'suspended', 'dead'] as const) {
      for (const mismatch of ['reject', 'replay'] as const) {
        const change = { state, ...(state === 'processing' && { leaseUntil: NOW - 1 }), policy: resumable };
        expect([state, judge(change, { fingerprint: 'v1:other', mismatch })]).toEqual([
          state,
          { do: 'refuse', code: 'key_reused' },
        ]);
      }
    }
  });
  test('that is suspended or dead waits for a decision', () => {
    const refusal = { do: 'refuse', code: 'outcome_unknown', retryAfterMs: 30_000 };
    expect(judge({ state: 'suspended' })).toEqual(refusal);
    expect(judge({ state: 'dead' })).toEqual(refusal);
  });
  test('that is released may be tried again, however often and late', () => {
    expect(judge({ state: 'released', expiresAt: NOW + HOUR })).toEqual({ do: 'take', cause: 'claimed' });
    expect(
      judge({ state: 'released', attempt: 500, firstClaimedAt: NOW - 30 * HOUR, expiresAt: NOW + HOUR }),
    ).toEqual({
      do: 'take',
      cause: 'claimed',
    });
  });
  test('under a live lease makes others wait', () => {
    expect(judge({ leaseUntil: NOW + 10_000 })).toEqual({ do: 'wait', retryAfterMs: 250 });
    expect(judge({ leaseUntil: NOW + 40 })).toEqual({ do: 'wait', retryAfterMs: 40 });
    expect(judge({ state: 'accepted' })).toEqual({ do: 'wait', retryAfterMs: 250 });
  });
});

describe('a record whose lease ran out', () => {
  test('is suspended unless the record itself says resume', () => {
    expect(judge({ leaseUntil: NOW })).toEqual({ do: 'suspend' });
    expect(judge({ leaseUntil: NOW, policy: resumable })).toEqual({ do: 'take', cause: 'overtaken' });
  });
  test('is suspended past its downstream window or out of attempts', () => {
    expect(judge({ leaseUntil: NOW, policy: resumable, firstClaimedAt: NOW - 20 * HOUR - 1 })).toEqual({
      do: 'suspend',
    });
    expect(judge({ leaseUntil: NOW, policy: resumable, attempt: 20 })).toEqual({ do: 'suspend' });
  });
});
