import { PgBoss } from 'pg-boss';
import type { Executor } from './prepared.ts';
import { BOSS_RULES, QUEUE_RULES } from './rules.ts';

export interface BossSettings {
  /** A pool of ours: its size, its time limits and its errors are ours to decide about. */
  readonly db: Executor;
  readonly schema: string;
  readonly queue: string;
  readonly onError: (error: unknown) => void;
}

/** pg-boss, started when it is first asked for, and again if that failed. */
export interface LazyBoss {
  started(): Promise<PgBoss>;
  stop(): Promise<void>;
}

export function createLazyBoss(settings: BossSettings): LazyBoss {
  let starting: Promise<PgBoss> | undefined;
  let stopped = false;
  return {
    started() {
      if (stopped) return Promise.reject(new Error('The jobs are closed'));
      starting ??= start(settings).catch((error: unknown) => {
        starting = undefined; // the database was down: the next caller tries again
        throw error;
      });
      return starting;
    },
    async stop() {
      stopped = true;
      const boss = await starting?.catch(() => undefined);
      await boss?.stop({ graceful: false, close: false });
    },
  };
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
