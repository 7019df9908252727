// The awaits of each flow, in order, as the instrumentation of the child reports them. A new await, or one less, shows
// up as a difference here: then say on purpose what a crash there may leave behind.

/** One query on its own: its answer is awaited before anything else is sent. */
export const alone = (query: string) => [`${query} before`, `${query} sent`, `${query} answered`];

/** Queries that leave together; the answers come in order. Cut after each of them (`sent`) on the way. */
export const flight = (...queries: string[]) => [
  `${queries[0]} before`,
  ...queries.map((query) => `${query} sent`),
  ...queries.map((query) => `${query} answered`),
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
  ...alone('connect#3'),
  ...alone('steps#1'),
  ...alone('connect#4'),
  ...flight('BEGIN#1', 'open_transaction#1'),
  ...alone('INSERT payments#1'),
  ...flight('settle_in_transaction#1', 'COMMIT#1'),
  ...ANSWER,
];

/** While the provider takes its time: the first renewal of the lease. */
export const RENEWAL = alone('renew#1');
