import pg from 'pg';
import {
  isConnectionLoss,
  isReadOnly,
  isRetryable,
  isSpoilt,
  isUseless,
  refused,
  unavailable,
} from './failures.ts';
import { begin, COMMIT, type Landed, type Query, ROLLBACK, type Row, rowsOf, type Send } from './flight.ts';

export function createPool(config: pg.PoolConfig, max: number, onError: (error: unknown) => void): pg.Pool {
  const pool = new pg.Pool({ ...config, max });
  pool.on('error', onError); // of an idle client: pg has dropped it already
  // Of a client in use: without a listener it would end the process. The query that runs reports it too.
  pool.on('connect', (client) => client.on('error', onError));
  return pool;
}

/** Gives a client back: kept if it is known to be healthy and outside any transaction, else destroyed. */
export function giveBack(client: pg.PoolClient, error?: unknown): void {
  const broken = error !== undefined && isUseless(error);
  client.release(broken || client.getTransactionStatus() !== 'I');
}

/** Whatever became of the connection's prepared statements. */
const PLAIN_ROLLBACK = { text: 'ROLLBACK', query_timeout: 5_000 };

/**
 * Ends a transaction whose outcome nobody waits for. A client that can't be brought out of it is destroyed, and one
 * that turned out to be connected to a replica, or to have lost its prepared statements.
 */
export async function rollBack(client: pg.PoolClient, because?: unknown): Promise<void> {
  try {
    await client.query(PLAIN_ROLLBACK);
    giveBack(client, isReadOnly(because) || isSpoilt(because) ? because : undefined);
  } catch {
    client.release(true); // the server ends the transaction with the connection
  }
}

/** The connections of settle, renew, step, claim and sweeps: handlers have others, and can't exhaust these. */
export interface Control {
  /**
   * One autocommit statement. Asked again once, on a new connection, if the connection broke, and a few times if it collided
   * (a server's default isolation may be a stricter one): every one is re-entrant.
   */
  run(query: Query): Promise<readonly Row[]>;
  /** Several statements in one flight, on one connection; with BEGIN and COMMIT a transaction. Not asked again. */
  fly(...queries: readonly Query[]): Promise<Landed>;
  /** A transaction with decisions in it. */
  transaction<T>(work: (ask: (query: Query) => Promise<readonly Row[]>) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** After a serialization failure or a deadlock. */
const MAX_COLLISIONS = 5;

export function createControl(pool: pg.Pool, send: Send): Control {
  const connect = () =>
    pool.connect().catch((error: unknown) => {
      throw unavailable(error);
    });

  return {
    async run(query) {
      for (let tries = 1; ; tries++) {
        const client = await connect();
        try {
          const rows = await rowsOf(send(client, query));
          giveBack(client);
          return rows;
        } catch (error) {
          giveBack(client, error);
          const collided = isRetryable(error);
          const most = collided ? MAX_COLLISIONS : isUseless(error) ? 2 : 1;
          if (tries >= most) throw refused(error);
        }
      }
    },
    async fly(...queries) {
      const client = await connect();
      const landed = await send(client, ...queries);
      // The error comes ahead of the word that the transaction is open and failed: nobody may get the client before that.
      if (landed.error !== undefined && !isUseless(landed.error)) await rollBack(client);
      else giveBack(client, landed.error);
      return landed;
    },
    async transaction(work) {
      const client = await connect();
      try {
        await rowsOf(send(client, begin()));
        const result = await work((query) => rowsOf(send(client, query)));
        await rowsOf(send(client, COMMIT));
        giveBack(client);
        return result;
      } catch (error) {
        if (!isConnectionLoss(error)) await send(client, ROLLBACK);
        giveBack(client, error);
        throw refused(error);
      }
    },
    close: () => pool.end(),
  };
}
