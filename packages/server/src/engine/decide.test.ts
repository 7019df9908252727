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
const asking: Asking = {
  judge: (stored) => (stored === 'v1:a' ? 'same' : 'other'),
  ageMs: undefined,
  ttlMs: 24 * HOUR,
  mismatch: 'reject',
};
const OTHER: Partial<Asking> = { judge: () => 'other' };
const UNREADABLE: Partial<Asking> = { judge: () => 'unreadable' };
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
    expect(judge({ ...settled, expiresAt: NOW - EXPIRY_GRACE_MS + 1 })).toEqual({ do: 'replay' });
  });
  test('past the grace is as good as absent, and an old key is refused', () => {
    const gone = { ...settled, expiresAt: NOW - EXPIRY_GRACE_MS };
    expect(judge(gone)).toEqual({ do: 'take', cause: 'expired' });
    expect(judge(gone, OTHER)).toEqual({ do: 'take', cause: 'expired' });
    expect(judge(gone, { ageMs: 25 * HOUR })).toEqual({ do: 'refuse', code: 'key_expired' });
  });
  test('with another fingerprint is refused, or replayed where the policy is lenient', () => {
    expect(judge(settled, OTHER)).toEqual({ do: 'refuse', code: 'key_reused' });
    expect(judge(settled, { ...OTHER, mismatch: 'replay' })).toEqual({ do: 'replay' });
  });
});

describe('an unsettled record', () => {
  test('refuses another fingerprint in every state, lenient or not', () => {
    for (const state of ['accepted', 'processing', 'released', 'suspended', 'dead'] as const) {
      for (const mismatch of ['reject', 'replay'] as const) {
        const change = { state, ...(state === 'processing' && { leaseUntil: NOW - 1 }), policy: resumable };
        expect([state, judge(change, { ...OTHER, mismatch })]).toEqual([
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

describe('a record whose fingerprint can not be judged', () => {
  const unknown = { do: 'refuse', code: 'outcome_unknown', retryAfterMs: 30_000, unreadable: true };
  test('is gone once it is settled, and replayed only where any input would be', () => {
    const settled = { state: 'completed', expiresAt: NOW + HOUR, outcome: '{}' } as const;
    expect(judge(settled, UNREADABLE)).toEqual({ do: 'refuse', code: 'outcome_gone', unreadable: true });
    expect(judge(settled, { ...UNREADABLE, mismatch: 'replay' })).toEqual({ do: 'replay' });
    expect(judge(settled, { judge: () => 'purged' })).toEqual({ do: 'refuse', code: 'outcome_gone' });
  });
  test('is never run again: not a released one, not one whose lease ran out', () => {
    expect(judge({ state: 'released', expiresAt: NOW + HOUR }, UNREADABLE)).toEqual(unknown);
    expect(judge({ leaseUntil: NOW, policy: resumable }, UNREADABLE)).toEqual(unknown);
    expect(judge({ state: 'suspended' }, UNREADABLE)).toEqual(unknown);
    expect(judge({ state: 'dead' }, UNREADABLE)).toEqual(unknown);
  });
  test('says of itself when it is to be suspended', () => {
    expect(judge({ leaseUntil: NOW }, UNREADABLE)).toEqual({ do: 'suspend' });
    expect(judge({ leaseUntil: NOW, policy: resumable, attempt: 20 }, UNREADABLE)).toEqual({ do: 'suspend' });
  });
  test('makes others wait while somebody is at it', () => {
    expect(judge({ leaseUntil: NOW + 40 }, UNREADABLE)).toEqual({ do: 'wait', retryAfterMs: 40 });
    expect(judge({ state: 'accepted' }, UNREADABLE)).toEqual({ do: 'wait', retryAfterMs: 250 });
  });
  test('past its retention is as good as absent', () => {
    const gone = { state: 'completed', expiresAt: NOW - EXPIRY_GRACE_MS, outcome: '{}' } as const;
    expect(judge(gone, UNREADABLE)).toEqual({ do: 'take', cause: 'expired' });
  });
});

describe('what was queued', () => {
  const queued = { ...policy, mode: 'queued', onCrash: 'resume' } as const;
  const QUEUED: Partial<Asking> = { queued: true };
  const overdue = { policy: queued, leaseUntil: NOW - 1 };

  test('is answered 202 while it waits and while it runs, its lease over or not', () => {
    expect(judge({ state: 'accepted', policy: queued }, QUEUED)).toEqual({ do: 'accepted' });
    expect(judge({ policy: queued, leaseUntil: NOW + 1 }, QUEUED)).toEqual({ do: 'accepted' });
    expect(judge(overdue, QUEUED)).toEqual({ do: 'accepted' });
  });

  test('is waited for where today’s policy is another, and never taken over', () => {
    expect(judge({ state: 'accepted', policy: queued })).toEqual({ do: 'wait', retryAfterMs: 250 });
    expect(judge(overdue)).toEqual({ do: 'wait', retryAfterMs: 250 });
    expect(judge(overdue, { continues: false })).toEqual({ do: 'wait', retryAfterMs: 250 });
  });

  test('is suspended when its attempt was lost and its record lets nobody go on', () => {
    const suspends = { ...overdue, policy: { ...queued, onCrash: 'suspend' as const } };
    expect(judge(suspends, QUEUED)).toEqual({ do: 'suspend' });
    expect(judge({ ...overdue, firstClaimedAt: NOW - 21 * HOUR }, QUEUED)).toEqual({ do: 'suspend' });
  });

  test('is left to the sweep when its last attempt was lost: a dead letter, not suspended by who happens to ask', () => {
    const last = { ...overdue, attempt: 20 };
    expect(judge(last, QUEUED)).toEqual({ do: 'accepted' });
    expect(judge(last)).toEqual({ do: 'wait', retryAfterMs: 250 });
    expect(judge(last, UNREADABLE)).toMatchObject({ do: 'refuse', code: 'outcome_unknown' });
    expect(judge({ ...last, firstClaimedAt: NOW - 21 * HOUR }, QUEUED)).toEqual({ do: 'suspend' });
  });

  test('is refused to another request, and replayed once it is settled, as any other', () => {
    expect(judge({ state: 'accepted', policy: queued }, { ...QUEUED, ...OTHER })).toEqual({
      do: 'refuse',
      code: 'key_reused',
    });
    expect(judge({ state: 'completed', expiresAt: NOW + HOUR, policy: queued }, QUEUED)).toEqual({
      do: 'replay',
    });
    expect(judge({ state: 'dead', policy: queued }, QUEUED)).toMatchObject({ code: 'outcome_unknown' });
  });

  test('a leased operation whose lease ran out is taken over by a queued request too', () => {
    const leased = { leaseUntil: NOW - 1, policy: { ...policy, onCrash: 'resume' as const } };
    expect(judge(leased, QUEUED)).toEqual({ do: 'take', cause: 'overtaken' });
    expect(judge({ leaseUntil: NOW + 100 }, QUEUED)).toEqual({ do: 'wait', retryAfterMs: 100 });
  });
});
