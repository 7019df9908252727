import type { MakeJournal, OpenedJournal, SuiteRecord } from './harness.ts';

/** What a case can't do without, and not every journal has. */
type Need = 'second' | 'break' | 'clear';

/** One fact about every journal. A plain function, so that it runs against wrong journals too. */
export interface JournalCase {
  readonly title: string;
  readonly needs?: readonly Need[];
  run(opened: Required<OpenedJournal>): Promise<void>;
}

export interface CaseGroup {
  readonly subject: string;
  readonly cases: readonly JournalCase[];
}

const WHY_SKIPPED: Record<Need, string> = {
  second: 'its records end with the page',
  break: 'nothing under it can break',
  clear: 'nobody can clear it',
};

/** Runs one case. Resolves with the reason when it can't be run, rejects when it fails. */
export async function runCase(make: MakeJournal, subject: JournalCase): Promise<{ skipped?: string }> {
  const opened = await make();
  try {
    const missing = subject.needs?.find((need) => opened[need] === undefined);
    if (missing) return { skipped: WHY_SKIPPED[missing] };
    await subject.run(opened as Required<OpenedJournal>);
    return {};
  } finally {
    await opened.close?.();
  }
}

let made = 0;

/** A record of its own for each call. */
export function record(members: Partial<SuiteRecord> = {}): SuiteRecord {
  made += 1;
  return {
    path: 'orders.create',
    key: `key-${made}`,
    createdAt: 1_800_000_000_000 + made,
    expiresAt: 1_800_086_400_000 + made,
    attempts: 0,
    state: 'sending',
    scope: 'alice',
    fingerprint: 'f1',
    ...members,
  };
}

/** Without the members that are there and undefined: JSON drops them. */
export const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
