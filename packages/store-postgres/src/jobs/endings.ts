/** One delivery: pg-boss counts them, and refuses what an earlier one says about a later one's job. */
export interface JobFetched {
  readonly id: string;
  readonly retryCount: number;
  readonly data: unknown;
}

/** How a delivery ended: the job is dealt with, or it is to come again. */
export type Ending = 'done' | 'again';

/**
 * Tells the queue how deliveries ended. What ends while the queue is being told goes with the next statement, so the faster
 * jobs end, the more share one. Told again until it is heard, or until `giveUp`: a job whose ending isn't heard comes again.
 */
export interface Endings {
  put(job: JobFetched, ending: Ending): void;
  /** Resolves when the queue has heard of everything put so far, or after `giveUp`. */
  heard(): Promise<void>;
  giveUp(): void;
}

export function createEndings(
  tell: (ending: Ending, jobs: readonly JobFetched[]) => Promise<void>,
  pauseMs: number,
  onError: (error: unknown) => void,
): Endings {
  let untold: Record<Ending, JobFetched[]> = { done: [], again: [] };
  let telling: Promise<void> | undefined;
  let endPause: (() => void) | undefined;
  let over = false;

  const isEmpty = () => untold.done.length + untold.again.length === 0;
  async function run(): Promise<void> {
    while (!isEmpty() && !over) {
      const taken = untold;
      untold = { done: [], again: [] };
      for (const ending of ['done', 'again'] as const) {
        const jobs = taken[ending];
        if (jobs.length === 0) continue;
        try {
          await tell(ending, jobs);
        } catch (error) {
          onError(error);
          untold[ending].push(...jobs);
          await pause();
        }
      }
    }
    telling = undefined;
  }
  function pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, pauseMs);
      endPause = () => {
        clearTimeout(timer);
        resolve();
      };
      if (over) endPause();
    });
  }

  return {
    put(job, ending) {
      untold[ending].push(job);
      telling ??= run();
    },
    async heard() {
      await telling;
    },
    giveUp() {
      over = true;
      endPause?.();
    },
  };
}
