import type pg from 'pg';

/** The client as a handler gets it: usable until its transaction is over, and never its to end or release. */
export interface Loan {
  readonly tx: pg.ClientBase;
  /** From now on the handler's queries are refused: a forgotten `await` must not write into the next transaction. */
  end(): void;
}

const NOT_YOURS: ReadonlySet<string | symbol> = new Set(['release', 'end', 'connect']);

export function lend(client: pg.PoolClient): Loan {
  let over = false;
  const query = (...args: unknown[]): unknown => {
    if (!over) return Reflect.apply(client.query, client, args);
    const error = new Error('The transaction is over: a query came after its handler had returned');
    const callback = args.at(-1);
    if (typeof callback !== 'function') return Promise.reject(error);
    process.nextTick(callback, error);
    return undefined;
  };
  const forbidden = (): never => {
    throw new Error('The connection belongs to the store: a handler must not connect, end or release it');
  };
  const tx = new Proxy(client, {
    get(target, property) {
      if (property === 'query') return query;
      if (NOT_YOURS.has(property)) return forbidden;
      return Reflect.get(target, property, target);
    },
  });
  return {
    tx,
    end: () => {
      over = true;
    },
  };
}
