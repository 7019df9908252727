import type pg from 'pg';
import { pgDriver } from './packages.ts';

export type Row = Readonly<Record<string, unknown>>;

export interface Database {
  readonly client: pg.Client;
  query<R extends Row = Row>(sql: string, values?: readonly unknown[]): Promise<readonly R[]>;
  close(): Promise<void>;
}

/** One connection of its own, for questions that no store answers. Bounded: a database that hangs is an error. */
export async function openDatabase(url: string): Promise<Database> {
  const { Client } = await pgDriver();
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: 5000,
    query_timeout: 15_000,
    fallback_application_name: 'semel-cli',
  });
  client.on('error', () => {}); // the query that runs reports it
  await client.connect();
  return {
    client,
    async query<R extends Row>(sql: string, values: readonly unknown[] = []) {
      return (await client.query<R>(sql, [...values])).rows;
    },
    close: () => client.end(),
  };
}
