// The awaits of each flow, in order, as the instrumentation of the child reports them. A new await, or one less, shows
// up as a difference here: then say on purpose what a crash there may leave behind.

/** One query on its own: its answer is awaited before anything else is sent. */
export const alone = (query: string) => [`${query} before`, `${query} sent`, `${query} answered`];

/** Queries that leave, and are answered, together. Cut after each of them (`sent`) on the way. */
export const flight = (...queries: string[]) => [
  `${queries[0]} before`,
  ...queries.map((query) => `${query} sent`),
  `${queries.at(-1)} answered`,
];

const ANSWER = ['answer#1 before', 'answer#1 sent', 'end of answer#1 before', 'end of answer#1 sent'];

export const ATOMIC = [
  ...alone('connect#1'),
  ...flight('BEGIN#1', 'open_atomic#1'),
  ...alone('INSERT orders#1'),
  ...flight('settle_new#1', 'COMMIT#1'),
  ...ANSWER,
];

export const ATOMIC_REFUSED = [
  ...alone('connect#1'),
  ...flight('BEGIN#1', 'open_atomic#1'),
  ...alone('INSERT orders#1'),
  ...flight('ROLLBACK#1', 'BEGIN#2', 'require_lock#1', 'settle_new#1', 'COMMIT#1'),
  ...ANSWER,
];

const CHARGE = [...alone('provider#1'), ...alone('record_step#1')];

export const LEASED = [
  ...alone('connect#1'),
  ...alone('claim#1'),
  ...CHARGE,
  ...alone('connect#2'),
  ...flight('BEGIN#1', 'open_transaction#1'),
  ...alone('INSERT payments#1'),
  ...flight('settle_in_transaction#1', 'COMMIT#1'),
  ...ANSWER,
];

export const LEASED_PLAIN = [
  ...alone('connect#1'),
  ...alone('claim#1'),
  ...CHARGE,
  ...alone('settle#1'),
  ...ANSWER,
];

export const LEASED_WITH_TRANSACTION = [
  ...alone('connect#1'),
  ...alone('claim#1'),
  ...alone('connect#2'),
  ...flight('BEGIN#1', 'open_transaction#1'),
  ...alone('INSERT reservations#1'),
  ...flight('record_step_in_transaction#1', 'COMMIT#1'),
  ...CHARGE,
  ...flight('BEGIN#2', 'open_transaction#2'),
  ...alone('INSERT payments#1'),
  ...flight('settle_in_transaction#1', 'COMMIT#2'),
  ...ANSWER,
];

/** The second attempt, after the first was killed behind its recorded step. */
export const TAKEOVER = [
  ...alone('connect#1'),
  ...alone('claim#1'),
  ...alone('connect#2'),
  ...alone('lookup#1'),
  ...alone('take_overdue#1'),
  ...alone('steps#1'),
  ...alone('connect#3'),
  ...flight('BEGIN#1', 'open_transaction#1'),
  ...alone('INSERT payments#1'),
  ...flight('settle_in_transaction#1', 'COMMIT#1'),
  ...ANSWER,
];

/** While the provider takes its time: the first renewal of the lease. */
export const RENEWAL = alone('renew#1');

/** In the request: record, work and job are one commit. */
export const QUEUED_ACCEPT = [
  ...alone('connect#1'),
  ...flight('BEGIN#1', 'open_transaction#1', 'enqueue#1'),
  ...alone('queue#1'),
  ...alone('job#1'),
  ...flight('require_transaction#1', 'COMMIT#1'),
  ...ANSWER,
];

/** A worker's look for a job, and what it does first with the one that it gets. */
const DELIVERY = [...alone('queue#1'), ...alone('fetch#1'), ...alone('connect#1'), ...alone('start#1')];

export const QUEUED = [
  ...DELIVERY,
  ...CHARGE,
  ...alone('connect#2'),
  ...flight('BEGIN#1', 'open_transaction#1'),
  ...alone('INSERT payments#1'),
  ...flight('settle_in_transaction#1', 'COMMIT#1'),
  ...alone('end of job#1'),
];

export const QUEUED_WITH_TRANSACTION = [
  ...DELIVERY,
  ...alone('connect#2'),
  ...flight('BEGIN#1', 'open_transaction#1'),
  ...alone('INSERT reservations#1'),
  ...flight('record_step_in_transaction#1', 'COMMIT#1'),
  ...CHARGE,
  ...flight('BEGIN#2', 'open_transaction#2'),
  ...alone('INSERT payments#1'),
  ...flight('settle_in_transaction#1', 'COMMIT#2'),
  ...alone('end of job#1'),
];

/** How an attempt ends that doesn't settle in a transaction of its own; before it, it is as any other. */
const ENDS = {
  plain: alone('settle#1'),
  failed: [...alone('reschedule#1'), ...alone('connect#2'), ...alone('find#1'), ...alone('job#1')],
  exhausted: alone('exhaust#1'),
};
const BEGINNING = [...DELIVERY, ...CHARGE];
export const QUEUED_ENDS = {
  plain: [...BEGINNING, ...ENDS.plain, ...alone('end of job#1')],
  failed: [...BEGINNING, ...ENDS.failed, ...alone('end of job#1')],
  exhausted: [...BEGINNING, ...ENDS.exhausted, ...alone('end of job#1')],
};
/** Nothing that a crash in them could leave is new. */
export const QUEUED_BEGINNING = BEGINNING.length;

/** The second attempt, after the first worker was killed behind its recorded step. */
export const QUEUED_TAKEOVER = [
  ...DELIVERY,
  ...alone('connect#2'),
  ...alone('steps#1'),
  ...alone('connect#3'),
  ...flight('BEGIN#1', 'open_transaction#1'),
  ...alone('INSERT payments#1'),
  ...flight('settle_in_transaction#1', 'COMMIT#1'),
  ...alone('end of job#1'),
];

/** An operator's: the record, its work, the decision and the job are one commit. */
export const REDRIVE = [
  ...alone('connect#1'),
  ...alone('find#1'),
  ...alone('connect#2'),
  ...flight('BEGIN#1', 'open_transaction#1', 'redrive#1'),
  ...alone('queue#1'),
  ...alone('job#1'),
  // No answer leaves a process that tells by IPC.
  ...flight('require_transaction#1', 'COMMIT#1'),
];
