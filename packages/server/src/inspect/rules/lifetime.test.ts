import { expect, test } from 'vitest';
import type { IdempotencyPolicy } from '../../admission/policy.ts';
import { ATOMIC, found, LEASED } from '../inspect.fixture.ts';

const HOUR = 3_600_000;
const of = (policy: Partial<IdempotencyPolicy>, base: IdempotencyPolicy = LEASED) =>
  found({ ...base, ...policy }, () => undefined);

test('a policy without a ttlMs gets advice, one that says the default does not', async () => {
  expect(await found({ mode: 'atomic' }, () => undefined)).toEqual([
    'default_ttl: chooses no ttlMs: keys are forgotten 24 h after they were settled',
  ]);
  expect(await of({ ttlMs: 24 * HOUR }, ATOMIC)).toEqual([]);
});

test('a leased operation that is forgotten within its downstream window is found', async () => {
  expect(await of({ ttlMs: HOUR })).toEqual([
    'ttl_shorter_than_window: has a ttlMs (60 min) shorter than its downstreamWindowMs (20 h)',
  ]);
});

test.each([
  ['as long as the window', { ttlMs: 20 * HOUR }, LEASED],
  ['short, with a shorter window', { ttlMs: HOUR, downstreamWindowMs: HOUR }, LEASED],
  ['short, where nothing is downstream', { ttlMs: HOUR }, ATOMIC],
] as const)('a ttlMs is fine that is %s', async (_, policy, base) => {
  expect(await of(policy, base)).toEqual([]);
});

test('a lease longer than the run is found, an equal one is not', async () => {
  expect(await of({ leaseMs: 60_000, maxRunMs: 10_000 })).toEqual([
    'lease_exceeds_run: has a leaseMs (60 s) longer than its maxRunMs (10 s)',
  ]);
  expect(await of({ leaseMs: 10_000, maxRunMs: 10_000 })).toEqual([]);
});

test('a lease of less than a second is found, one of a second is not', async () => {
  expect(await of({ leaseMs: 999 })).toEqual(['lease_too_short: has a leaseMs of 999 ms']);
  expect(await of({ leaseMs: 1000 })).toEqual([]);
});

test.each([
  [{ maxAttempts: 5 }, 'says maxAttempts,'],
  [{ maxAttempts: 5, backoff: { minMs: 10 } }, 'says maxAttempts and backoff,'],
  [{ maxAttempts: 5, effects: 'steps' }, undefined],
  [{ maxAttempts: 1 }, undefined],
  [{}, undefined],
] as const)(
  'retries of a queued one with %j, whose steps would suspend it, are found',
  async (policy, what) => {
    const queued: IdempotencyPolicy = { mode: 'queued', ttlMs: 24 * HOUR };
    const findings = what === undefined ? [] : [`retries_without_steps: ${what} but not effects: 'steps'`];
    expect(await of(policy, queued)).toEqual(findings);
  },
);

test('a run that the downstream window does not outlast is found', async () => {
  expect(await of({ maxRunMs: 20 * HOUR })).toEqual([
    'run_exceeds_window: has a maxRunMs (20 h) that its downstreamWindowMs (20 h) does not outlast'.replace(
      'does not',
      "doesn't",
    ),
  ]);
  expect(await of({ maxRunMs: 19 * HOUR })).toEqual([]);
});

test('fields of the other mode get advice', async () => {
  expect(await of({ leaseMs: 500, onCrash: 'suspend' }, ATOMIC)).toEqual([
    "field_without_effect: says leaseMs, which mode 'atomic' doesn't use",
    "field_without_effect: says onCrash, which mode 'atomic' doesn't use",
  ]);
  expect(await of({ isolation: 'serializable' })).toEqual([
    "field_without_effect: says isolation, which mode 'leased' doesn't use",
  ]);
  expect(await of({ isolation: 'serializable', maxRunMs: 5000 }, ATOMIC)).toEqual([]);
});
