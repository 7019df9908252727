import { mutateFirmly } from '../fixtures/plain-client.ts';
import { createStage, type ServerChild } from '../fixtures/stage.ts';

export interface BurstOptions {
  readonly databaseUrl: string;
  /** What the processes run: child-server.ts, or a bundle of it. */
  readonly file: string;
  readonly operations: number;
  /** Requests under way at the same time. */
  readonly callers: number;
  readonly tell: (line: string) => void;
}

export interface BurstResult {
  readonly accepted: number;
  readonly acceptMs: number;
  /** From the first request until the queue was empty. */
  readonly drainMs: number;
  /** The longest that the oldest operation was due for. */
  readonly oldestMs: number;
  readonly deepest: number;
  /** Attempts that the kills cost. */
  readonly overtaken: number;
  /** Rows of effects, and operations that have one. Equal to the operations if each was done once. */
  readonly effects: number;
  readonly distinct: number;
  /** Operations by state at the end. */
  readonly states: Readonly<Record<string, number>>;
  readonly jobsLeft: number;
  readonly killed: readonly string[];
}

const QUEUE = 'burst';
const EVERY_MS = 250;
const STANDSTILL_MS = 60_000;

/**
 * One server accepts over HTTP. Two workers, each a process of its own, come when half has been accepted, so that they find a
 * queue. The server is killed (-9) when three quarters have been accepted, a worker when half is done; both are started again.
 * Callers retry with their keys, as clients do.
 */
export async function runBurst(options: BurstOptions): Promise<BurstResult> {
  const { databaseUrl, file, operations, callers, tell } = options;
  const stage = await createStage(databaseUrl);
  const start = (work?: number) =>
    stage.start({
      file,
      leaseMs: 5_000,
      queue: QUEUE,
      sweepMs: 1_000,
      ...(work !== undefined && { work }),
    });
  try {
    let front = await start();
    const workers: ServerChild[] = [];
    const startedAt = performance.now();
    const since = () => performance.now() - startedAt;
    let accepted = 0;
    let done = 0;
    let acceptMs = 0;
    let deepest = 0;
    let oldestMs = 0;
    const killed: string[] = [];

    /** Ends with an error when nothing is accepted or done for a minute: somebody is stuck. */
    const until = async (what: string, reached: () => boolean | Promise<boolean>, everyMs = 5) => {
      for (let seen = -1, moved = 0; !(await reached()); await pause(everyMs)) {
        if (accepted + done !== seen) [seen, moved] = [accepted + done, performance.now()];
        if (performance.now() - moved > STANDSTILL_MS)
          throw new Error(`waited for ${what} at ${accepted} accepted and ${done} done, and nothing moved`);
      }
    };
    const accept = async () => {
      let next = 0;
      const caller = async () => {
        while (next < operations) {
          const n = next++;
          const answer = await mutateFirmly(
            () => front.url,
            'queuedOrder',
            { sku: `s${n}` },
            { key: `burst-${n}` },
          );
          if (answer.status >= 300) throw new Error(`burst-${n}: ${JSON.stringify(answer.body)}`);
          accepted++;
        }
      };
      await Promise.all(Array.from({ length: callers }, caller));
      acceptMs = since();
    };
    const breakServer = async () => {
      await until('three quarters accepted', () => accepted >= operations * 0.75);
      await front.kill();
      killed.push(`the server at ${accepted} accepted`);
      tell(`killed ${killed.at(-1)}`);
      front = await start();
    };
    const breakWorker = async () => {
      await until('half accepted', () => accepted >= operations / 2);
      workers.push(await start(8), await start(8));
      tell('two workers have started');
      await until('half done', () => done >= operations / 2);
      await workers[0]?.kill();
      killed.push(`a worker at ${done} done`);
      tell(`killed ${killed.at(-1)}`);
      workers[0] = await start(8);
    };
    const look = async (): Promise<boolean> => {
      const [backlog, effects] = await Promise.all([
        stage.store.queue.backlog(),
        stage.sql<{ n: number }>('SELECT count(*)::int AS n FROM {s}.orders'),
      ]);
      const depth = backlog.reduce((sum, { count }) => sum + count, 0);
      const oldest = Math.max(0, ...backlog.map((line) => line.oldestMs));
      deepest = Math.max(deepest, depth);
      oldestMs = Math.max(oldestMs, oldest);
      done = effects[0]?.n ?? 0;
      tell(
        `accepted ${accepted}  done ${done}  waiting or running ${depth}  oldest ${(oldest / 1000).toFixed(1)} s`,
      );
      return acceptMs > 0 && depth === 0;
    };
    const draining = until('an empty queue', look, EVERY_MS);
    await Promise.all([accept(), breakServer(), breakWorker(), draining]);
    const drainMs = since();

    // A job outlives its operation by a moment: by up to 20 s where its worker was killed.
    let jobsLeft = 0;
    for (let waited = 0; waited < 60_000; waited += EVERY_MS) {
      jobsLeft = (await stage.sql('SELECT FROM {s}_jobs.job')).length;
      if (jobsLeft === 0) break;
      await pause(EVERY_MS);
    }
    const [counted] = await stage.sql<{ effects: number; distinct: number; overtaken: number }>(
      `SELECT count(*)::int AS effects, count(DISTINCT key)::int AS distinct,
        (SELECT count(*)::int FROM {s}.transition WHERE cause = 'overtaken') AS overtaken FROM {s}.orders`,
    );
    const states = await stage.sql<{ state: string; n: number }>(
      'SELECT state::text, count(*)::int AS n FROM {s}.operation GROUP BY 1',
    );
    return {
      accepted,
      acceptMs,
      drainMs,
      oldestMs,
      deepest,
      overtaken: counted?.overtaken ?? 0,
      effects: counted?.effects ?? 0,
      distinct: counted?.distinct ?? 0,
      states: Object.fromEntries(states.map(({ state, n }) => [state, n])),
      jobsLeft,
      killed,
    };
  } finally {
    await stage.close();
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
