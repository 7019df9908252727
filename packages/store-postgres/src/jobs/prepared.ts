import { createHash } from 'node:crypto';
import type pg from 'pg';

/** What pg-boss wants of a database. */
export interface Executor {
  executeSql(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
}

export function plain(client: pg.ClientBase | pg.Pool): Executor {
  return { executeSql: (text, values) => (client as pg.ClientBase).query(text, values) };
}

/**
 * For the one INSERT that every caller's transaction pays for: planning it (a partitioned table, a join, thirteen indexes)
 * takes as long as doing it. Not for the others: a plan made for an empty queue and kept would read a full one row by row.
 */
export function createPrepared(): (client: pg.ClientBase | pg.Pool) => Executor {
  let last = { text: '', name: '' };
  return (client) => ({
    executeSql(text, values = []) {
      if (text !== last.text) {
        const hash = createHash('sha256').update(text).digest('hex').slice(0, 16);
        last = { text, name: `semel_job_${hash}` };
      }
      return (client as pg.ClientBase).query({ name: last.name, text, values });
    },
  });
}
