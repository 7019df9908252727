import type { IdempotencyPolicy } from '../../admission/policy.ts';
import { eachProtected } from './rule.ts';

/** Shorter than what a garbage collection, a failover or a busy machine may take. */
const SHORT_LEASE_MS = 1000;

/** What another mode has, and this one ignores. */
const UNUSED: Readonly<Record<IdempotencyPolicy['mode'], readonly (keyof IdempotencyPolicy)[]>> = {
  atomic: ['leaseMs', 'maxAttempts', 'effects', 'onCrash', 'downstreamWindowMs'],
  leased: ['isolation'],
  queued: ['isolation'],
};

/** How long things live: keys, leases, attempts, and what the other side remembers. */
export const lifetimeRules = eachProtected((subject, report) => {
  const { given, policy } = subject.wrapped;
  const { mode, ttlMs, leaseMs, maxRunMs, downstreamWindowMs } = policy;
  if (given.ttlMs === undefined) {
    report(subject, 'default_ttl', 'chooses no ttlMs: keys are forgotten 24 h after they were settled');
  }
  for (const field of UNUSED[mode]) {
    if (given[field] !== undefined) {
      report(subject, 'field_without_effect', `says ${field}, which mode '${mode}' doesn't use`);
    }
  }
  if (mode === 'atomic') return;
  if (ttlMs < downstreamWindowMs) {
    const than = `downstreamWindowMs (${duration(downstreamWindowMs)})`;
    report(subject, 'ttl_shorter_than_window', `has a ttlMs (${duration(ttlMs)}) shorter than its ${than}`);
  }
  if (maxRunMs >= downstreamWindowMs) {
    const its = `downstreamWindowMs (${duration(downstreamWindowMs)})`;
    report(
      subject,
      'run_exceeds_window',
      `has a maxRunMs (${duration(maxRunMs)}) that its ${its} doesn't outlast`,
    );
  }
  if (leaseMs > maxRunMs) {
    const than = `maxRunMs (${duration(maxRunMs)})`;
    report(subject, 'lease_exceeds_run', `has a leaseMs (${duration(leaseMs)}) longer than its ${than}`);
  }
  if (leaseMs < SHORT_LEASE_MS) {
    report(subject, 'lease_too_short', `has a leaseMs of ${duration(leaseMs)}`);
  }
  const retries = (['maxAttempts', 'backoff'] as const).filter((field) => given[field] !== undefined);
  if (mode === 'queued' && policy.effects === 'unknown' && policy.maxAttempts > 1 && retries.length > 0) {
    const what = retries.join(' and ');
    report(subject, 'retries_without_steps', `says ${what}, but not effects: 'steps'`);
  }
});

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
] as const;

/** In the largest unit that leaves no rest: `90 min`, `24 h` (as the docs say it), `7 d`. */
function duration(ms: number): string {
  const fitting =
    UNITS.find(([, size]) => ms % size === 0 && ms / size > 1) ?? UNITS.find(([, size]) => ms % size === 0);
  return fitting === undefined ? `${ms} ms` : `${ms / fitting[1]} ${fitting[0]}`;
}
