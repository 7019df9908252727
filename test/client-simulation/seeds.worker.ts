import { parentPort, workerData } from 'node:worker_threads';
import { simulate } from './simulate.ts';

// Stacks of errors that nobody reads are a tenth of the time.
Error.stackTraceLimit = 0;

/** Every `step`-th seed from `from` on, up to `to`. Stops at the first violation. */
const { from, to, step } = workerData as { from: number; to: number; step: number };

let runs = 0;
let events = 0;
let effects = 0;
let failing: number | undefined;
for (let seed = from; seed <= to; seed += step) {
  const report = await simulate(seed);
  runs++;
  events += report.events;
  effects += report.effects;
  if (report.violation === undefined) continue;
  failing = seed;
  break;
}
parentPort?.postMessage({ runs, events, effects, failing } satisfies SeedsReport);

export interface SeedsReport {
  readonly runs: number;
  readonly events: number;
  readonly effects: number;
  readonly failing: number | undefined;
}
