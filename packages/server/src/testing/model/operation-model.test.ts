import { describe, expect, test } from 'vitest';
import { check } from './checker.ts';
import { type Mistake, operationModel, type Setting } from './operation-model.ts';

// Every order in which two processes, a sweep, an operator, a clock and lost answers can meet one operation. The largest
// settings run in CI only (a million states, half a minute).

const base = { onCrash: 'suspend', keyed: false, faults: 2, operators: 1 } as const;
const resume = { ...base, onCrash: 'resume', keyed: true } as const;
const SETTINGS = {
  atomic: { ...base, mode: 'atomic' },
  'atomic, declined': { ...base, mode: 'atomic', declines: true },
  leased: { ...base, mode: 'leased' },
  'leased, resumed by steps': { ...resume, mode: 'leased' },
  'leased, declined': { ...resume, mode: 'leased', declines: true },
  queued: { ...base, mode: 'queued' },
  'queued, resumed by steps': { ...resume, mode: 'queued', faults: 1 },
} satisfies Record<string, Setting>;

/** States at least: a model that got stuck early would prove nothing. */
const LARGE: Record<keyof typeof SETTINGS, number> = {
  atomic: 250,
  'atomic, declined': 250,
  leased: 8_000,
  'leased, resumed by steps': 200_000,
  'leased, declined': 100_000,
  queued: 300_000,
  'queued, resumed by steps': 1_000_000,
};

describe('in every reachable state there is at most one charge and one effect, and everybody is told the same', () => {
  for (const [name, setting] of Object.entries(SETTINGS)) {
    const skip = process.env.CI === undefined && LARGE[name as keyof typeof SETTINGS] > 120_000;
    test.skipIf(skip)(name, { timeout: 300_000 }, () => {
      const verdict = check(operationModel(setting));
      expect(verdict).toMatchObject({ kind: 'holds' });
      const states = verdict.kind === 'holds' ? verdict.states : 0;
      expect(states).toBeGreaterThan(LARGE[name as keyof typeof SETTINGS]);
    });
  }
});

const FOUND: Record<Mistake, readonly [setting: keyof typeof SETTINGS, what: string]> = {
  'a guard that only counts rows': ['leased, resumed by steps', 'two effects'],
  'effect and outcome in two commits': ['leased', 'completed without its effect'],
  'claim without compare-and-swap': ['leased', 'processing to processing (claimed) is not in the table'],
  'takeover of a live lease': ['leased', 'charged twice'],
  'recovery by today’s code instead of the record': ['leased', 'charged twice'],
  'child key from the attempt': ['leased, resumed by steps', 'charged twice'],
  'window ignored': ['leased, resumed by steps', 'charged twice'],
  'unknown answer stored as failed': ['leased', 'failed, and it had its effect'],
  'answered before the commit': ['atomic', 'a caller was told what is not stored'],
  'redelivered job runs beside its owner': ['queued', 'charged twice'],
  'job acknowledged by operation instead of by delivery': [
    'queued',
    'accepted, and nobody will ever work on it',
  ],
  'redrive in two commits': ['queued', 'accepted, and nobody will ever work on it'],
  'a lost job that nobody misses': ['queued', 'accepted, and nobody will ever work on it'],
  'resolved while an attempt may still act': ['leased', 'failed, and it had its effect'],
};

describe('each planted mistake is found', () => {
  for (const [mistake, [setting, what]] of Object.entries(FOUND)) {
    test(mistake, { timeout: 120_000 }, () => {
      const verdict = check(operationModel(SETTINGS[setting], mistake as Mistake));
      expect(verdict).toMatchObject({ kind: 'violated', what });
    });
  }
});
