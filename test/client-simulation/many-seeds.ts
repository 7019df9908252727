import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { SeedsReport } from './seeds.worker.ts';

/** Many seeds on two threads. @returns what they counted, and the smallest failing seed that was found */
export async function manySeeds(from: number, count: number): Promise<SeedsReport> {
  const threads = 2;
  const reports = await Promise.all(
    Array.from({ length: threads }, async (_, index) => {
      const worker = new Worker(new URL('./seeds.worker.ts', import.meta.url), {
        workerData: { from: from + index, to: from + count - 1, step: threads },
        execArgv: ['--conditions=@semel/source'],
      });
      const [report] = (await once(worker, 'message')) as [SeedsReport];
      return report;
    }),
  );
  const sum = (of: (report: SeedsReport) => number): number => reports.reduce((all, one) => all + of(one), 0);
  const failing = reports.map((one) => one.failing).filter((seed) => seed !== undefined);
  return {
    runs: sum(({ runs }) => runs),
    events: sum(({ events }) => events),
    effects: sum(({ effects }) => effects),
    failing: failing.length === 0 ? undefined : Math.min(...failing),
  };
}
