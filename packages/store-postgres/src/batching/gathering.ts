import { AsyncLocalStorage } from 'node:async_hooks';
import { isStoreUnavailable, StoreUnavailable } from '@semel/server/store';

/** The batch left this call undecided: it is made alone, outside the batch. */
export const SINGLY = Symbol('singly');

/** One kind of call that many callers may share a statement for. */
export interface Kind<Call, Result> {
  /** The call alone: the same statement as without batching. Also what decides wherever a batch can't. */
  one(call: Call): Promise<Result>;
  /**
   * Two or more calls, one statement, one commit; an answer for each, in their order. An error says that nothing of
   * the batch was written, or that its connection is gone (`StoreUnavailable`).
   */
  many(calls: readonly Call[]): Promise<readonly (Result | typeof SINGLY)[]>;
  /** How much the call carries, in characters. */
  weigh(call: Call): number;
}

export interface Limits {
  /** Flights that may be under way at once at most. */
  readonly lanes: number;
  /** A flight that has not landed for so long is late: what gathers needn't wait for it. */
  readonly lateMs: number;
  /** So many calls are worth a lane of their own, whatever flies. */
  readonly crowd: number;
  /** Calls in one flight. */
  readonly maxRows: number;
  /** What the calls of one flight carry together, in characters; a larger call flies alone. */
  readonly maxCharacters: number;
  /** A call that finds no seat for so long is refused, not begun; 0: it waits. */
  readonly maxWaitMs: number;
  /** Also a lone call flies as a batch of one. For tests. */
  readonly always?: boolean;
}

interface Gathering {
  /** Calls of this kind share flights with each other; all kinds share the lanes. */
  of<Call, Result>(kind: Kind<Call, Result>): (call: Call) => Promise<Result>;
}

/** What waits to depart. Calls of one kind in the order in which they came. */
interface Queue {
  readonly waiting: { readonly since: number; reject(error: unknown): void }[];
  /** Takes what has gathered, as far as it fits, and flies. Never rejects. */
  depart(): Promise<void>;
}

/**
 * Natural batching: a call departs at once while nothing flies, and gathers with others until that has landed. Nobody
 * waits for company, so a lone caller pays nothing; the busier the store, the fuller the flights. One flight at a time makes
 * the fullest; further lanes are for a crowd, and for when the flights before are late.
 */
export function createGathering(limits: Limits): Gathering {
  const { lanes, lateMs, crowd, maxRows, maxCharacters, maxWaitMs, always } = limits;
  const queues: Queue[] = [];
  let flying = 0;
  /** Of those. */
  let late = 0;
  let announced = false;
  let patience: NodeJS.Timeout | undefined;
  // A flight carries many requests: it belongs to none of their spans.
  const outside = AsyncLocalStorage.snapshot();

  function mayDepart(): boolean {
    if (flying >= lanes) return false;
    return flying === late || queues.some(({ waiting }) => waiting.length >= crowd);
  }

  /**
   * At the end of the tick: whatever was asked for by then leaves together. Promises that one answer settled run first,
   * so the callers of one flight meet again in the next.
   */
  function announce(): void {
    if (announced || !mayDepart()) return;
    announced = true;
    process.nextTick(() => {
      announced = false;
      const [queue, another] = queues.filter(({ waiting }) => waiting.length > 0);
      if (queue?.waiting.length === 1 && another === undefined) dispatch();
      else outside(dispatch);
    });
  }

  function dispatch(): void {
    while (mayDepart()) {
      const queue = longestWaiting(queues);
      if (queue === undefined) break;
      flying++;
      let isLate = false;
      const due = setTimeout(() => {
        isLate = true;
        late++;
        next();
      }, lateMs);
      void queue.depart().then(() => {
        clearTimeout(due);
        flying--;
        if (isLate) late--;
        next();
      });
    }
    watch();
  }

  function next(): void {
    if (longestWaiting(queues) !== undefined) outside(announce);
  }

  /** Only for lanes that are stuck: flights land in milliseconds. */
  function watch(): void {
    const since = longestWaiting(queues)?.waiting[0]?.since;
    clearTimeout(patience);
    if (since === undefined || maxWaitMs === 0) return;
    patience = setTimeout(refuse, since + maxWaitMs - performance.now());
  }

  function refuse(): void {
    const before = performance.now() - maxWaitMs;
    for (const { waiting } of queues) {
      while (waiting[0] !== undefined && waiting[0].since <= before) {
        waiting.shift()?.reject(new StoreUnavailable('No connection became free in time'));
      }
    }
    watch();
  }

  return {
    of(kind) {
      type Call = Parameters<typeof kind.one>[0];
      type Result = Awaited<ReturnType<typeof kind.one>>;
      const waiting: Waiting<Call, Result>[] = [];
      queues.push({
        waiting,
        depart: () => fly(kind, take(waiting, maxRows, maxCharacters), always),
      });
      return (call) =>
        new Promise<Result>((resolve, reject) => {
          waiting.push({ call, characters: kind.weigh(call), since: performance.now(), resolve, reject });
          if (mayDepart()) announce();
          else if (waiting.length === 1) watch();
        });
    },
  };
}

interface Waiting<Call, Result> {
  readonly call: Call;
  readonly characters: number;
  readonly since: number;
  resolve(result: Result | PromiseLike<Result>): void;
  reject(error: unknown): void;
}

/** The kind whose oldest call has waited longest is next: none can starve another. */
function longestWaiting(queues: readonly Queue[]): Queue | undefined {
  let longest: Queue | undefined;
  for (const queue of queues) {
    const since = queue.waiting[0]?.since ?? Number.POSITIVE_INFINITY;
    if (since < (longest?.waiting[0]?.since ?? Number.POSITIVE_INFINITY)) longest = queue;
  }
  return longest;
}

/** From the front, at least one. */
function take<Call, Result>(
  waiting: Waiting<Call, Result>[],
  maxRows: number,
  maxCharacters: number,
): Waiting<Call, Result>[] {
  let together = 0;
  let count = 0;
  for (const { characters } of waiting) {
    together += characters;
    if (count > 0 && (count === maxRows || together > maxCharacters)) break;
    count++;
  }
  return waiting.splice(0, count);
}

async function fly<Call, Result>(
  kind: Kind<Call, Result>,
  flight: readonly Waiting<Call, Result>[],
  always = false,
): Promise<void> {
  const [first] = flight;
  const alone = flight.length === 1 && !always;
  try {
    if (alone && first !== undefined) return first.resolve(await kind.one(first.call));
    const results = await kind.many(flight.map(({ call }) => call));
    for (const [i, { call, resolve }] of flight.entries()) {
      const result = results[i] as Result | typeof SINGLY;
      resolve(result === SINGLY ? kind.one(call) : result);
    }
  } catch (error) {
    // Nothing was written. One row that can't be (its bytes, a constraint, a lock) must not take its neighbours down:
    // each is made alone, and fails alone. Not when the store is away: it would be for each of them.
    for (const { call, resolve, reject } of flight) {
      if (alone || isStoreUnavailable(error)) reject(error);
      else resolve(kind.one(call));
    }
  }
}
