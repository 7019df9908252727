import type { JobsHarness, OpenedJobs } from './harness.ts';
import { createStage, type Stage } from './stage.ts';

/** What a case can't do without, and not every queue has. */
export type Need = 'second' | 'worker' | 'cutConnections';

/** One fact about every queue. A plain function, so that it runs under any runner and against wrong ones too. */
export interface JobsCase {
  readonly title: string;
  readonly needs?: Need;
  run<Tx>(stage: Stage<Tx>): Promise<void>;
}

export interface CaseGroup {
  readonly subject: string;
  readonly cases: readonly JobsCase[];
}

const WHY_SKIPPED: Record<Need, string> = {
  second: 'the harness has no second view of the same queue',
  worker: 'no other process can consume this queue',
  cutConnections: 'the queue has no connections that could break',
};

/** Runs one case on a queue opened for it. Resolves with the reason when it can't be run, rejects when it fails. */
export async function runCase<Tx>(
  harness: JobsHarness<Tx>,
  subject: JobsCase,
): Promise<{ skipped?: string }> {
  const opened: OpenedJobs<Tx> = await harness.open();
  const stage = createStage(opened);
  try {
    if (subject.needs !== undefined && opened[subject.needs] === undefined) {
      return { skipped: WHY_SKIPPED[subject.needs] };
    }
    await subject.run(stage);
    return {};
  } finally {
    await stage.clear();
    await opened.close();
  }
}
