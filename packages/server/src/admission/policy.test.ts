import { expect, test } from 'vitest';
import { createMemoryJobs } from '../jobs/memory-jobs.ts';
import { createSemel } from '../semel.ts';
import { createMemoryStore } from '../store/memory.ts';
import { type IdempotencyPolicy, policyFrom, policyOn } from './policy.ts';

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

test('queued work has ten attempts and a backoff between them, unless it says otherwise', () => {
  expect(policyFrom({ mode: 'queued' })).toMatchObject({
    mode: 'queued',
    maxAttempts: 10,
    backoff: { minMs: 1000, maxMs: 300_000 },
    deadLetterOwner: undefined,
    recorded: { mode: 'queued', maxAttempts: 10, maxRunMs: 900_000 },
  });
  const given = {
    mode: 'queued',
    maxAttempts: 3,
    backoff: { minMs: 5 },
    deadLetterOwner: 'payments',
  } as const;
  expect(policyFrom(given)).toMatchObject({
    maxAttempts: 3,
    backoff: { minMs: 5, maxMs: 300_000 },
    deadLetterOwner: 'payments',
  });
});

test('what belongs to queued work, or to decisions, is refused where it means nothing', () => {
  expect(() => policyFrom({ mode: 'leased', backoff: { minMs: 1 } })).toThrow(
    "backoff belongs to mode 'queued'",
  );
  expect(() => policyFrom({ mode: 'atomic', deadLetterOwner: 'x' })).toThrow(
    "deadLetterOwner belongs to mode 'queued'",
  );
  expect(() => policyFrom({ mode: 'atomic', resolve: () => undefined })).toThrow(
    'resolve must be a function, in mode',
  );
  expect(() => policyFrom({ mode: 'queued', backoff: { minMs: 10, maxMs: 5 } })).toThrow('backoff must be');
  expect(() => policyFrom({ mode: 'queued', deadLetterOwner: '' })).toThrow('deadLetterOwner must be');
});

test('queued work needs jobs, and a store with transactions', () => {
  const store = createMemoryStore();
  const without = createSemel({ store, recovery: false });
  expect(() => policyOn(without.engine, { mode: 'queued' })).toThrow("mode 'queued' needs jobs");
  const weak = { ...store, capabilities: { ...store.capabilities, transactions: false } };
  const jobs = createMemoryJobs();
  const weakly = createSemel({ store: weak, jobs, recovery: false });
  expect(() => policyOn(weakly.engine, { mode: 'queued' })).toThrow('a store with transactions');
  expect(policyOn(createSemel({ store, jobs, recovery: false }).engine, { mode: 'queued' }).mode).toBe(
    'queued',
  );
});

test.each(['scope', 'fingerprint', 'finalErrors'])('a %s that is no function is refused', (field) => {
  expect(() => policyFrom({ mode: 'leased', [field]: 'userId' } as IdempotencyPolicy)).toThrow(
    `idempotency policy: ${field} must be a function`,
  );
});
