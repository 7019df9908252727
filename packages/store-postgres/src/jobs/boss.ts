import { PgBoss } from 'pg-boss';
import { sqlState } from '../connections/failures.ts';
import type { Executor } from './prepared.ts';
import { BOSS_RULES, QUEUE_RULES } from './rules.ts';

export interface BossSettings {
  /** A pool of ours: its size, its time limits and its errors are ours to decide about. */
  readonly db: Executor;
  readonly schema: string;
  readonly queue: string;
  readonly onError: (error: unknown) => void;
}

/** Raised where the tables are there and our queue isn't. */
export class QueueMissing extends Error {
  override readonly name = 'QueueMissing';
}

/** pg-boss, started when it is first asked for, and again if that failed. */
export interface LazyBoss {
  started(): Promise<PgBoss>;
  /**
   * Does something with it. Where that shows that somebody has dropped its schema or our queue, the next caller makes them
   * again: else every process would have to be restarted. The jobs that were in them are healed from the records.
   */
  use<T>(work: (boss: PgBoss) => Promise<T>): Promise<T>;
  stop(): Promise<void>;
}

export function createLazyBoss(settings: BossSettings): LazyBoss {
  let starting: Promise<PgBoss> | undefined;
  let stopped = false;
  function started(): Promise<PgBoss> {
    if (stopped) return Promise.reject(new Error('The jobs are closed'));
    starting ??= start(settings).catch((error: unknown) => {
      starting = undefined; // the database was down: the next caller tries again
      throw error;
    });
    return starting;
  }
  return {
    started,
    async use(work) {
      const asked = started();
      const boss = await asked;
      try {
        return await work(boss);
      } catch (error) {
        if (isGone(error) && starting === asked) {
          starting = undefined;
          void boss.stop({ graceful: false, close: false }).catch(settings.onError);
        }
        throw error;
      }
    },
    async stop() {
      stopped = true;
      const boss = await starting?.catch(() => undefined);
      await boss?.stop({ graceful: false, close: false });
    },
  };
}

/** No such schema, table or function; or the tables without our queue, as we and as pg-boss say it. */
function isGone(error: unknown): boolean {
  if (error instanceof QueueMissing) return true;
  if (error instanceof Error && /^Queue .+ does not exist$/.test(error.message)) return true;
  return ['3F000', '42P01', '42883'].includes(sqlState(error) ?? '');
}

async function start({ db, schema, queue, onError }: BossSettings): Promise<PgBoss> {
  const boss = new PgBoss({
    ...BOSS_RULES,
    schema,
    db,
  });
  // Without a listener an 'error' event would end the process.
  boss.on('error', onError);
  try {
    await boss.start();
    await boss.createQueue(queue, QUEUE_RULES);
    await check(boss, queue);
    return boss;
  } catch (error) {
    await boss.stop({ graceful: false, close: false }).catch(onError);
    throw error;
  }
}

/** A queue of that name may have been there already, made by somebody with other ideas. */
async function check(boss: PgBoss, name: string): Promise<void> {
  const found = await boss.getQueue(name);
  const wrong =
    found === null
      ? 'is missing'
      : found.policy !== QUEUE_RULES.policy
        ? `has the policy ${found.policy}`
        : found.deadLetter
          ? 'has a dead letter queue'
          : found.notify
            ? 'notifies'
            : undefined;
  if (wrong !== undefined) {
    throw new Error(`The pg-boss queue "${name}" ${wrong}: give Semel a queue that it made itself`);
  }
}
