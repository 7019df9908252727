import type pg from 'pg';
import { watchTransaction } from './ended-by-body.ts';
import { isIntruding } from './nesting.ts';

/** The client as a handler gets it: usable until its transaction is over, and never its to end or release. */
export interface Loan {
  readonly tx: pg.ClientBase;
  /** Whether the body did something after it had ended the transaction itself: no rollback undoes that. */
  readonly wroteOutside: boolean;
  /**
   * What the body comes to. One that goes on without end is given up some time after its connection is gone and its time is
   * over: nothing of it can be committed any more, and its place in the pool would never come free.
   */
  during<T>(body: Promise<T>): Promise<T>;
  /** From now on the handler's queries are refused: a forgotten `await` must not write into the next transaction. */
  end(): void;
}

const NOT_YOURS: ReadonlySet<string | symbol> = new Set(['release', 'end', 'connect']);

/** By then the server has ended a statement, or an idle transaction, that is over its limit: its answer got lost. */
const ANSWER_GRACE_MS = 5_000;

/** What a timer can hold. */
const MAX_TIMEOUT_MS = 2_147_483_647;

/** @param limitMs the transaction's time limit, which the server keeps. A network that swallows an answer doesn't. */
export function lend(client: pg.PoolClient, limitMs: number): Loan {
  const { connectionParameters } = client as unknown as { connectionParameters: { query_timeout?: number } };
  connectionParameters.query_timeout = Math.min(limitMs + ANSWER_GRACE_MS, MAX_TIMEOUT_MS);
  const watch = watchTransaction(client);
  let over = false;
  let outside = false;
  const query = (...args: unknown[]): unknown => {
    const intruding = isIntruding(tx);
    if (!over && !intruding) {
      outside ||= client.getTransactionStatus() === 'I';
      return Reflect.apply(client.query, client, args);
    }
    const error = new Error(
      over
        ? 'The transaction is over: a query came after its handler had returned'
        : 'A nested call is running on this transaction, and its failure would undo this query too: wait for it first',
    );
    const callback = args.at(-1);
    if (typeof callback !== 'function') return Promise.reject(error);
    process.nextTick(callback, error);
    return undefined;
  };
  const forbidden = (): never => {
    throw new Error('The connection belongs to the store: a handler must not connect, end or release it');
  };
  const tx: pg.PoolClient = new Proxy(client, {
    get(target, property) {
      if (property === 'query') return query;
      if (NOT_YOURS.has(property)) return forbidden;
      return Reflect.get(target, property, target);
    },
  });
  return {
    tx,
    get wroteOutside() {
      return outside || watch.wroteOutside;
    },
    during: (body) => untilGivenUp(body, client, performance.now() + limitMs),
    end: () => {
      over = true;
      watch.end();
    },
  };
}

async function untilGivenUp<T>(body: Promise<T>, client: pg.PoolClient, until: number): Promise<T> {
  const { promise: givenUp, reject } = Promise.withResolvers<never>();
  let patience: NodeJS.Timeout | undefined;
  const onEnd = () => {
    const ms = Math.max(0, until - performance.now()) + ANSWER_GRACE_MS;
    const why = new Error('The connection was lost, and the handler went on without end');
    patience = setTimeout(() => reject(why), Math.min(ms, MAX_TIMEOUT_MS));
  };
  client.once('end', onEnd);
  try {
    return await Promise.race([body, givenUp]);
  } finally {
    client.off('end', onEnd);
    clearTimeout(patience);
  }
}
