import { createHash } from 'node:crypto';

/** SQL with numbered parameters, named for Postgres' cache of prepared statements. */
export interface Statement {
  /** Holds a hash of the text: two versions of the code may share a pooler's server connection. */
  readonly name: string;
  readonly text: string;
}

export function statement(name: string, text: string): Statement {
  return { name: `semel_${name}_${createHash('sha256').update(text).digest('hex').slice(0, 12)}`, text };
}

/** The store's clock, in the whole milliseconds that JavaScript holds: what is written and read back is the same. */
export const CLOCK = `date_trunc('milliseconds', clock_timestamp())`;

/** The same, as it was when the statement arrived: one value throughout a statement that waits for nobody. */
export const NOW = `date_trunc('milliseconds', statement_timestamp())`;

/** A time as epoch milliseconds. A float, so that pg needs no parser for timestamps and none for bigint. */
export const epochMs = (time: string): string => `round(date_part('epoch', ${time}) * 1000)`;

/**
 * True of every number; the planner takes it to be true of one row in 200. It then expects few rows of a batch, and reads each
 * by its index, also in a plan that was made while the table was new and small: that one scans the table otherwise, and goes
 * on to when it has grown, until the table is first analysed (measured: 3.4 ms for a batch of four, against 0.25).
 */
export const few = (number: string): string => `${number} + 0 = ${number}`;

/** When a key becomes reusable. */
export const freeAt = (expiresAt: string, graceMs: number): string =>
  `${expiresAt} + interval '${graceMs} milliseconds'`;

/** Of a transaction that is over, by its id: whether what it wrote stays. Null where the id is. */
export const isCommitted = (parameter: string): string =>
  `(pg_xact_status(${parameter}::text::xid8) IS NOT DISTINCT FROM 'committed')`;

/**
 * Raises unless this is still the transaction that the first flight opened. Named by its id, which every transaction that
 * writes has anyway: a handler's own COMMIT gives the next statement another one.
 */
export const sameTransaction = (s: string, parameter: string, code: string): string =>
  `CASE WHEN ${parameter}::text IS NULL OR pg_current_xact_id()::text = ${parameter}::text THEN true
    ELSE ${s}.require(false, '${code}') END`;
