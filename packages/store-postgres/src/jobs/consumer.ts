import type { Consumer } from '@semel/server/store';
import { createBell } from './bell.ts';
import { createEndings, type Ending, type JobFetched } from './endings.ts';
import { HEARTBEAT_EVERY_MS, SUPERVISE_EVERY_MS } from './rules.ts';

/** What a consumer needs of a queue. */
export interface ConsumerQueue {
  fetch(most: number): Promise<readonly JobFetched[]>;
  end(ending: Ending, jobs: readonly JobFetched[]): Promise<void>;
  heartbeat(jobs: readonly JobFetched[]): Promise<void>;
  /** Gives the jobs of dead workers back to the queue. */
  supervise(): Promise<void>;
}

export interface ConsumerSettings {
  readonly queue: ConsumerQueue;
  readonly deliver: (job: unknown) => Promise<void>;
  readonly concurrency: number;
  readonly pollEveryMs: number;
  readonly onError: (error: unknown) => void;
  /** It was stopped, and nothing of it runs any more. */
  readonly onEnded: () => void;
}

export interface RunningConsumer extends Consumer {
  /** There may be something new. */
  wake(): void;
  /** Ends every timer. What still runs isn't waited for, and comes again. */
  abandon(): void;
}

/**
 * Fetches as many jobs as it has places for: at once while the queue gives as many as were asked for, else when it is woken,
 * and every `pollEveryMs` in any case. A queue that can't be reached is asked again after as long.
 */
export function startConsumer(settings: ConsumerSettings): RunningConsumer {
  const { queue, deliver, concurrency, pollEveryMs, onError } = settings;
  const bell = createBell();
  const endings = createEndings((ending, jobs) => queue.end(ending, jobs), pollEveryMs, onError);
  const running = new Map<JobFetched, Promise<void>>();
  let worthAsking = true;
  let pollAt = 0;
  let stopping = false;

  const run = async (job: JobFetched) => {
    try {
      await deliver(job.data);
      endings.put(job, 'done');
    } catch (error) {
      onError(error);
      endings.put(job, 'again');
    }
    running.delete(job);
    bell.ring();
  };

  async function loop(): Promise<void> {
    while (!stopping) {
      const places = concurrency - running.size;
      const untilPoll = pollAt - performance.now();
      if (places === 0 || (!worthAsking && untilPoll > 0)) {
        await bell.wait(places === 0 ? pollEveryMs : untilPoll);
        continue;
      }
      worthAsking = false;
      pollAt = performance.now() + pollEveryMs;
      const jobs = await queue.fetch(places).catch((error: unknown) => {
        onError(error);
        return [];
      });
      // Asked to stop meanwhile: no new deliveries.
      if (stopping) for (const job of jobs) endings.put(job, 'again');
      else for (const job of jobs) running.set(job, Promise.resolve(job).then(run));
      worthAsking ||= jobs.length === places;
    }
  }

  const timers = [
    every(HEARTBEAT_EVERY_MS, onError, async () => {
      if (running.size > 0) await queue.heartbeat([...running.keys()]);
    }),
    every(SUPERVISE_EVERY_MS, onError, async () => {
      if (!stopping) await queue.supervise();
    }),
  ];
  const clear = () => timers.forEach(clearInterval);
  const looping = loop();

  const ended = async () => {
    await looping;
    await Promise.all(running.values());
    clear();
    await endings.heard();
    settings.onEnded();
  };
  let finishing: Promise<void> | undefined;
  return {
    wake() {
      worthAsking = true;
      bell.ring();
    },
    async stop(deadlineMs) {
      stopping = true;
      bell.ring();
      finishing ??= ended();
      await within(finishing, deadlineMs);
    },
    abandon() {
      stopping = true;
      bell.ring();
      clear();
      endings.giveUp();
    },
  };
}

/** A round that takes longer than the interval is not overtaken by the next. */
function every(ms: number, onError: (error: unknown) => void, round: () => Promise<void>): NodeJS.Timeout {
  let busy = false;
  return setInterval(() => {
    if (busy) return;
    busy = true;
    void round()
      .catch(onError)
      .finally(() => {
        busy = false;
      });
  }, ms);
}

async function within(work: Promise<void>, deadlineMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, Math.min(deadlineMs, 2_147_483_647));
  });
  await Promise.race([work, deadline]);
  clearTimeout(timer);
}
