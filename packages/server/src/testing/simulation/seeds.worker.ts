import { parentPort, workerData } from 'node:worker_threads';
import { simulate } from './simulate.ts';

// Stacks of errors that nobody reads are a tenth of the time.
Error.stackTraceLimit = 0;

/** Every `step`-th seed from `from` on, up to `to`. Stops at the first violation. */
const { from, to, step, queued } = workerData as {
  from: number;
  to: number;
  step: number;
  queued: boolean;
};

let runs = 0;
let events = 0;
let told = 0;
let failing: number | undefined;
for (let seed = from; seed <= to; seed += step) {
  const report = await simulate(seed, { queued });
  runs++;
  events += report.events;
  told += report.told;
  if (report.violation === undefined) continue;
  failing = seed;
  break;
}
parentPort?.postMessage({ runs, events, told, failing } satisfies SeedsReport);

export interface SeedsReport {
  readonly runs: number;
  readonly events: number;
  /** Operations of which somebody got a final answer. */
  readonly told: number;
  readonly failing: number | undefined;
}
