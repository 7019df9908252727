import type { Duplex } from 'node:stream';
import type { AtomicRequest } from '@semel/server/store';
import type pg from 'pg';
import type { Statement } from '../statements/statement.ts';

export type Row = readonly unknown[];
export type Answer = PromiseSettledResult<pg.QueryArrayResult<unknown[]>>;

/** One query of a flight: SQL without parameters, or a statement with its values. */
export type Query = string | readonly [Statement, readonly unknown[]];

/** Sends one query. Rows come as arrays: the statements name their columns in order. */
export type Send = (client: pg.ClientBase, query: Query) => Promise<pg.QueryArrayResult<unknown[]>>;

/**
 * @param timeoutMs a network that swallows an answer and says nothing would otherwise hold its caller for ever, COMMIT's
 *   included. pg breaks the connection then, and what became of the COMMIT is found out on another one.
 */
export function createSend(preparedStatements: boolean, timeoutMs: number): Send {
  const how = { rowMode: 'array' as const, query_timeout: timeoutMs };
  return (client, query) => {
    if (typeof query === 'string') return client.query({ text: query, ...how });
    const [{ name, text }, values] = query;
    const config = { text, values: values as unknown[], ...how };
    return client.query(preparedStatements ? { ...config, name } : config);
  };
}

/**
 * Sends several queries in one flight and waits for all answers. Postgres works them off in order; after an error
 * inside a transaction the following ones are refused (25P02) and COMMIT answers ROLLBACK.
 */
export function flight(send: Send, client: pg.ClientBase, queries: readonly Query[]): Promise<Answer[]> {
  // One packet instead of one per message.
  const stream = streamOf(client);
  stream?.cork();
  try {
    return Promise.allSettled(queries.map((query) => send(client, query)));
  } finally {
    stream?.uncork();
  }
}

export function streamOf(client: pg.ClientBase): Duplex | undefined {
  return (client as { connection?: { stream?: Duplex } }).connection?.stream;
}

/**
 * Never the server's default: in a stricter one every renewal of the lease would make the settlement of the same
 * operation a serialization failure.
 */
export function begin(isolation: AtomicRequest['isolation'] = 'read committed'): string {
  return `BEGIN ISOLATION LEVEL ${isolation}`;
}

/** The first refusal of a flight: those after it only follow from it. */
export function firstError(
  answers: readonly Answer[],
): { readonly error: unknown; readonly index: number } | undefined {
  for (const [index, answer] of answers.entries()) {
    if (answer.status === 'rejected') return { error: answer.reason, index };
  }
  return undefined;
}

export function rowOf(answer: Answer | undefined): Row | undefined {
  return answer?.status === 'fulfilled' ? answer.value.rows[0] : undefined;
}

export function commandOf(answer: Answer | undefined): string | undefined {
  return answer?.status === 'fulfilled' ? answer.value.command : undefined;
}
