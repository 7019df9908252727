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

/** A time as epoch milliseconds. A float, so that pg needs no parser for timestamps and none for bigint. */
export const epochMs = (time: string): string => `(extract(epoch from ${time}) * 1000)::float8`;

/** When a key becomes reusable. */
export const freeAt = (expiresAt: string, graceMs: number): string =>
  `${expiresAt} + interval '${graceMs} milliseconds'`;
