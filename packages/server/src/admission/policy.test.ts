import { expect, test } from 'vitest';
import { policyFrom } from './policy.ts';

test('fills in the documented defaults', () => {
  expect(policyFrom({ mode: 'leased' })).toMatchObject({
    mode: 'leased',
    key: 'required',
    mismatch: 'reject',
    mismatchStatus: 422,
    waitMs: 1000,
    effects: 'unknown',
    onCrash: 'suspend',
    ttlMs: 86_400_000,
    leaseMs: 30_000,
    maxRunMs: 900_000,
    maxAttempts: 20,
    downstreamWindowMs: 72_000_000,
    maxOutcomeBytes: 1_048_576,
    isolation: 'read committed',
  });
  expect(policyFrom({ mode: 'atomic' }).maxRunMs).toBe(15_000);
});

test('effects in steps may resume after a crash without saying so', () => {
  expect(policyFrom({ mode: 'leased', effects: 'steps' }).onCrash).toBe('resume');
  expect(policyFrom({ mode: 'leased', effects: 'steps', onCrash: 'suspend' }).onCrash).toBe('suspend');
});

test('refuses to resume blindly', () => {
  expect(() => policyFrom({ mode: 'leased', onCrash: 'resume' })).toThrow(
    "idempotency policy: onCrash: 'resume' needs effects: 'steps': without child keys a second attempt could act twice",
  );
});

test('refuses a field that it does not know', () => {
  expect(() => policyFrom({ mode: 'leased', ttl: 5000 } as never)).toThrow(
    'there is no field ttl (durations end in Ms)',
  );
});

test('names every field that is wrong in one message', () => {
  const wrong = { mode: 'later', ttlMs: -1, key: 'maybe', inFlight: { waitMs: 1e9 } } as never;
  expect(() => policyFrom(wrong)).toThrow(/mode must be.*waitMs must be.*ttlMs must be.*key must be/);
});
