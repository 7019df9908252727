import type { Jobs } from '@semel/server/store';
import type pg from 'pg';
import { connectionConfig } from '../connections/config.ts';
import { createPool } from '../connections/pools.ts';
import { schemaName } from '../schema-name.ts';
import { afterTransaction } from './after-transaction.ts';
import { createLazyBoss, type LazyBoss, QueueMissing } from './boss.ts';
import { type ConsumerQueue, type RunningConsumer, startConsumer } from './consumer.ts';
import { createPrepared, plain } from './prepared.ts';
import { FETCH_RULES, JOB_RULES } from './rules.ts';

export interface PgBossJobsOptions {
  /**
   * A URL or what `pg.Pool` takes, of the database that the store of record is in: a job and its record are written by one
   * transaction. `max` is ignored: at most four connections.
   */
  readonly connection: string | pg.PoolConfig;
  /** A schema for pg-boss alone, made on the first use (the role must be allowed to). @default 'semel_jobs' */
  readonly schema?: string;
  /**
   * Servers and workers that name the same queue share its jobs. One store takes one queue: workers heal whatever their store
   * shows as stranded into their own, so with two, the other's operations get jobs too many (refused, but noise). @default 'semel'
   */
  readonly queue?: string;
  /**
   * How often a consumer looks for jobs that another process sent. Those sent in its own process it sees at once.
   * @default 500
   */
  readonly pollEveryMs?: number;
  /** Turn off behind a pooler in transaction mode that doesn't carry them (PgBouncer before 1.21). @default true */
  readonly preparedStatements?: boolean;
  /** Told of what failed in the background, and of deliveries that failed. Never throws into the queue. @default ignored */
  readonly onError?: (error: unknown) => void;
}

export interface PgBossJobs extends Jobs<pg.ClientBase> {
  /**
   * Connects, makes the schema if it is missing and waits until it is there. The first use does the same; calling it while
   * booting spares the first request that time and shows a wrong configuration early.
   */
  start(): Promise<void>;
}

/** Statements of the queue are short; making its schema takes longest. */
const QUERY_TIMEOUT_MS = 20_000;
const CONNECTIONS = 4;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * Jobs in the tables of pg-boss (exactly 12.35.0, an optional peer dependency), beside the store of record.
 *
 * - A job sent with a transaction exists if and only if that transaction commits. No NOTIFY is sent.
 * - A job is delivered at least once, in no order, and is never given up: one that fails comes again after 1 s, later at most
 *   every minute. One whose process died comes again within 20 s (heartbeat 10 s, a look every 5 s, a pause of 1 to 2 s,
 *   a poll), as long as some consumer lives.
 * - While Postgres is away consumers go on asking; nothing has to be restarted. A schema or queue that somebody drops is made
 *   again; what was in it the store's healing sends again.
 * - A job that was dealt with is deleted, so its id may be used again.
 * - Behind PgBouncer in transaction mode it works; no session state is kept.
 */
export function createPgBossJobs(options: PgBossJobsOptions): PgBossJobs {
  const { queue = 'semel', pollEveryMs = 500 } = options;
  const schema = schemaName(options.schema ?? 'semel_jobs');
  const onError = (error: unknown) => {
    try {
      options.onError?.(error);
    } catch {
      // A listener's own failure must not end the process from inside an event.
    }
  };
  const config = {
    query_timeout: QUERY_TIMEOUT_MS,
    ...connectionConfig(options.connection),
    pipeline: false,
  };
  const pool = createPool(config, CONNECTIONS, onError);
  const forSending = options.preparedStatements === false ? plain : createPrepared();
  const boss = createLazyBoss({ db: plain(pool), schema, queue, onError });
  const consumers = new Set<RunningConsumer>();
  const wake = () => {
    for (const consumer of consumers) consumer.wake();
  };
  let closing: Promise<void> | undefined;

  async function isThere(client: pg.ClientBase | pg.Pool, id: string): Promise<boolean> {
    const { rows } = await client.query<{ job: boolean; queue: boolean }>(
      `SELECT EXISTS (SELECT FROM ${schema}.job WHERE name = $1 AND id = $2) AS job,
              EXISTS (SELECT FROM ${schema}.queue WHERE name = $1) AS queue`,
      [queue, id],
    );
    if (rows[0]?.queue !== true) {
      throw new QueueMissing(
        `The queue "${queue}" can't be seen from this transaction: call start() before it begins`,
      );
    }
    return rows[0].job;
  }

  return {
    async start() {
      await boss.started();
    },

    async send(tx, job, { id, delayMs }) {
      // Postgres would say so too, and break the caller's transaction by it.
      if (!UUID.test(id)) throw new TypeError(`A job's id must be a UUID: ${id}`);
      const client = tx ?? pool;
      const options = {
        ...JOB_RULES,
        id,
        // The database's clock decides: it gets a distance, not a time.
        ...(delayMs > 0 ? { startAfter: Math.ceil(delayMs) / 1000 } : undefined),
        ...(isNamed(job) ? { singletonKey: job.operationId } : undefined),
        db: forSending(client),
      };
      await boss.use(async (started) => {
        // Where nothing was written, this job is in the queue already, or was until just now.
        for (;;) {
          const made = await started.send(queue, job, options);
          if (made !== null || (await isThere(client, id))) break;
        }
      });
      if (consumers.size === 0 || delayMs > 0) return;
      if (tx === undefined) wake();
      else afterTransaction(tx, wake);
    },

    async waiting(operationIds) {
      if (operationIds.length === 0) return new Set();
      const { rows } = await boss.use(() =>
        pool.query<{ key: string }>(
          `SELECT DISTINCT singleton_key AS key FROM ${schema}.job
           WHERE name = $1 AND state < 'completed' AND singleton_key = ANY ($2::text[])`,
          [queue, operationIds],
        ),
      );
      return new Set(rows.map(({ key }) => key));
    },

    async consume(deliver, { concurrency }) {
      if (!Number.isInteger(concurrency) || concurrency < 1) {
        throw new TypeError('concurrency must be a whole number of at least 1');
      }
      await boss.started();
      const consumer: RunningConsumer = startConsumer({
        queue: consumerQueue(boss, queue),
        deliver,
        concurrency,
        pollEveryMs,
        onError,
        // Only then: what outlives the deadline of stop() keeps its heartbeat until close().
        onEnded: () => consumers.delete(consumer),
      });
      consumers.add(consumer);
      return consumer;
    },

    close() {
      closing ??= (async () => {
        for (const consumer of consumers) consumer.abandon();
        await boss.stop();
        await pool.end();
      })();
      return closing;
    },
  };
}

function consumerQueue({ use }: LazyBoss, queue: string): ConsumerQueue {
  return {
    fetch: (most) => use((boss) => boss.fetch<unknown>(queue, { ...FETCH_RULES, batchSize: most })),
    // Given the jobs and not their ids, pg-boss compares the delivery too: what a worker says that was taken for dead has no
    // effect on the delivery after it.
    async end(ending, jobs) {
      await use((boss) =>
        ending === 'done' ? boss.deleteJob(queue, [...jobs]) : boss.fail(queue, [...jobs]),
      );
    },
    async heartbeat(jobs) {
      await use((boss) => boss.touch(queue, [...jobs]));
    },
    async supervise() {
      await use((boss) => boss.supervise(queue));
    },
  };
}

function isNamed(job: unknown): job is { operationId: string } {
  return (
    typeof job === 'object' && job !== null && 'operationId' in job && typeof job.operationId === 'string'
  );
}
