import type { AtomicRequest } from '@semel/server/store';
import type pg from 'pg';
import { statement } from '../statements/statement.ts';
import { type Connection, type Landed, PgFlight, type Query, type Row, type Value } from './pg-flight.ts';

export type { Landed, Query, Row, Value };

/**
 * Sends queries in one flight: they leave in one packet, and are answered together. Several without BEGIN are one
 * transaction. Never rejects.
 */
export type Send = (client: pg.ClientBase, ...queries: readonly Query[]) => Promise<Landed>;

/**
 * @param timeoutMs a network that swallows an answer and says nothing would otherwise hold its caller for ever, COMMIT's
 *   included. pg breaks the connection then, and what became of the COMMIT is found out on another one.
 */
export function createSend(preparedStatements: boolean, timeoutMs: number): Send {
  return (client, ...queries) =>
    new Promise((landed) => {
      try {
        const query = new PgFlight(queries, { preparedStatements, timeoutMs, landed });
        client.query(query as unknown as pg.Submittable);
      } catch (error) {
        landed({ answers: [], error }); // a value that can't be sent
      }
    });
}

/** The first row that the query at this place was answered with. */
export const rowOf = ({ answers }: Pick<Landed, 'answers'>, index: number): Row | undefined =>
  answers.at(index)?.rows[0];

/** The rows of a flight of one. @throws what Postgres refused it with */
export async function rowsOf(landing: Promise<Landed>): Promise<readonly Row[]> {
  const { answers, error } = await landing;
  if (error !== undefined) throw error;
  return answers[0]?.rows ?? [];
}

/** Why a flight that ended with COMMIT didn't; `undefined` when it did. */
export function notCommitted({ answers, error }: Landed): unknown {
  // Done is done, whatever came after it.
  if (answers.at(-1)?.command === 'COMMIT') return undefined;
  return error ?? new Error('COMMIT answered ROLLBACK');
}

export const streamOf = (client: pg.ClientBase): Connection['stream'] | undefined =>
  (client as { connection?: Connection }).connection?.stream;

// In their names in capitals too: what looks for them on the wire finds them.
const BEGIN: Record<NonNullable<AtomicRequest['isolation']>, Query> = {
  'read committed': [statement('BEGIN', 'BEGIN ISOLATION LEVEL read committed'), []],
  'repeatable read': [statement('BEGIN', 'BEGIN ISOLATION LEVEL repeatable read'), []],
  serializable: [statement('BEGIN', 'BEGIN ISOLATION LEVEL serializable'), []],
};
export const COMMIT: Query = [statement('COMMIT', 'COMMIT'), []];
export const ROLLBACK: Query = [statement('ROLLBACK', 'ROLLBACK'), []];

/**
 * Never the server's default: in a stricter one every renewal of the lease would make the settlement of the same
 * operation a serialization failure.
 */
export const begin = (isolation: AtomicRequest['isolation'] = 'read committed'): Query => BEGIN[isolation];
