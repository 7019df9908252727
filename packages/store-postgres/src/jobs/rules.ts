import type { ConstructorOptions, FetchOptions, Queue, SendOptions } from 'pg-boss';

// pg-boss' defaults lose jobs (waiting ones are deleted after 14 days, failing ones given up after 2 more tries without a
// pause). Everything that decides about a job's fate is therefore said here, and again with every job: a queue that an older
// version of this package made keeps its old settings.

/** A worker is taken for dead when it has said nothing about a job for this long. The least that pg-boss allows. */
const HEARTBEAT_SECONDS = 10;

/** Three may get lost before a living worker's job is given to another one. */
export const HEARTBEAT_EVERY_MS = 3_000;

/** How often the consumers of a queue, together, look for jobs of dead workers. */
export const SUPERVISE_EVERY_MS = 5_000;

/** Below the timer's own period, else two clocks that differ by a millisecond would skip every other look. */
const SUPERVISE_AT_MOST_EVERY_SECONDS = 4;

export const JOB_RULES = {
  // Whether an operation is given up is the record's decision, never the queue's.
  retryLimit: 2_147_483_647,
  retryDelay: 1,
  retryBackoff: true,
  retryDelayMax: 60,
  heartbeatSeconds: HEARTBEAT_SECONDS,
  // The most that pg-boss allows. The heartbeat says whether a worker lives; how long an attempt may run, its lease.
  expireInSeconds: 86_400,
  // Ten years: waiting isn't a reason to be deleted.
  retentionSeconds: 315_360_000,
  // Only for jobs that somebody else ended (a console's "cancel"): ours are deleted when they are done.
  deleteAfterSeconds: 60,
} as const satisfies SendOptions;

/** No dead letter queue: the record is the dead letter, and pg-boss makes a new job, with a new id, out of one it moves. */
export const QUEUE_RULES = {
  ...JOB_RULES,
  policy: 'standard',
  // A NOTIFY inside a transaction takes a lock on all commits of the database (measured: 38 % fewer of them).
  notify: false,
} as const satisfies Omit<Queue, 'name'>;

export const BOSS_RULES = {
  schedule: false,
  useListenNotify: false,
  // Consumers supervise; a process that only sends has nothing to look after.
  supervise: false,
  superviseIntervalSeconds: SUPERVISE_AT_MOST_EVERY_SECONDS,
  monitorIntervalSeconds: SUPERVISE_AT_MOST_EVERY_SECONDS,
  maintenanceIntervalSeconds: 60,
} as const satisfies ConstructorOptions;

/**
 * Ours have no groups, so it limits nothing. But with it pg-boss looks the jobs that it chose up by their ids; without it,
 * and with statistics that were gathered while the queue was empty (it mostly is), Postgres joins every row of a burst with
 * them: 10,000 waiting jobs made one fetch 200 times slower (measured; pg-boss-12.35.0.test.ts).
 */
export const FETCH_RULES = { groupConcurrency: 1 } as const satisfies FetchOptions;
