import { once } from 'node:events';
import { parentPort, Worker, workerData } from 'node:worker_threads';

/** What many seeds were: sums, and the smallest that failed. */
export type Tally<Counts extends string> = Readonly<Record<'runs' | 'events' | Counts, number>> & {
  readonly failing: number | undefined;
};

interface Part {
  readonly from: number;
  readonly to: number;
  readonly step: number;
}

/**
 * Runs `count` seeds from `from` on, on as many threads.
 *
 * @param worker a module that calls `runPart`
 * @param options what it passes on to each run
 */
export async function onThreads<Counts extends string>(
  worker: URL,
  from: number,
  count: number,
  options: object,
  threads = 2,
): Promise<Tally<Counts>> {
  const parts = await Promise.all(
    Array.from({ length: threads }, async (_, index) => {
      const part: Part = { from: from + index, to: from + count - 1, step: threads };
      const thread = new Worker(worker, {
        workerData: { part, options },
        execArgv: ['--conditions=@semel/source'],
      });
      const [tally] = (await once(thread, 'message')) as [Record<string, number | undefined>];
      return tally;
    }),
  );
  const sums: Record<string, number | undefined> = {};
  for (const { failing, ...counts } of parts) {
    for (const [name, value = 0] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + value;
    if (failing !== undefined) sums.failing = Math.min(failing, sums.failing ?? Infinity);
  }
  return { ...sums, failing: sums.failing } as Tally<Counts>;
}

/** A thread's side of it: every `step`-th seed, up to the first that fails. @param counted what is summed up of a report */
export async function runPart<Options, Counts extends string>(
  simulate: (
    seed: number,
    options: Options,
  ) => Promise<Readonly<Record<'events' | Counts, number>> & { readonly violation: string | undefined }>,
  counted: Counts,
): Promise<void> {
  // Stacks of errors that nobody reads are a tenth of the time.
  Error.stackTraceLimit = 0;
  const { part, options } = workerData as { part: Part; options: Options };
  const tally = { runs: 0, events: 0, [counted]: 0, failing: undefined as number | undefined };
  for (let seed = part.from; seed <= part.to && tally.failing === undefined; seed += part.step) {
    const report = await simulate(seed, options);
    tally.runs++;
    tally.events += report.events;
    Object.assign(tally, { [counted]: Number(tally[counted]) + report[counted] });
    if (report.violation !== undefined) tally.failing = seed;
  }
  parentPort?.postMessage(tally);
}
