import pg from 'pg';

/** The application's own reads. What procedures write goes through `operation.tx` and `operation.settle`. */
export function createReadPool(databaseUrl: string, onError: (error: unknown) => void): pg.Pool {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: 10,
    connectionTimeoutMillis: 2_000,
    statement_timeout: 5_000,
    keepAlive: true,
    application_name: 'semel-reference-server',
  });
  // Of an idle connection, already dropped. Without a listener it would end the process.
  pool.on('error', onError);
  // The same for one that is being closed: the pool has stopped listening to it.
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

/** What reads and writes have in common: a pool, a client, or the client inside an operation's transaction. */
export type Queryable = Pick<pg.ClientBase, 'query'>;
