import { describeStore } from '@semel/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migratePostgres } from './migrations/migrate.ts';
import { createFixture, databaseUrl, type Fixture } from './testing/fixture.ts';
import { type PgBouncer, startPgBouncer } from './testing/pgbouncer.ts';

// A pooler in transaction mode gives every transaction another session: whatever is kept in one is lost or another's.

const bouncer = await startPgBouncer(databaseUrl);
if (typeof bouncer === 'string') {
  if (process.env.CI !== undefined) throw new Error(bouncer);
  console.info(`skipped: the store behind PgBouncer (${bouncer})`);
}

describe.skipIf(typeof bouncer === 'string')('behind PgBouncer in transaction mode', () => {
  const { url, stop } = bouncer as PgBouncer;
  let db: Fixture;
  beforeAll(async () => {
    db = await createFixture('pgbouncer');
  });
  afterAll(async () => {
    await db.close();
    await stop();
  });

  test('sessions really change hands', async () => {
    const one = new pg.Client(url);
    const other = new pg.Client(url);
    await Promise.all([one.connect(), other.connect()]);
    const pid = 'SELECT pg_backend_pid() AS pid';
    await other.query('BEGIN');
    const before = await one.query(pid);
    const held = await other.query(pid);
    await other.query('COMMIT');
    expect(held.rows[0]).not.toEqual(before.rows[0]);
    await one.query('BEGIN');
    const seen = [before.rows[0], held.rows[0]];
    expect(seen).toContainEqual((await other.query(pid)).rows[0]);
    await one.query('COMMIT');
    await Promise.all([one.end(), other.end()]);
  });

  test('servers that migrate at once apply each migration once', async () => {
    const schema = `${db.schema}_m`;
    const applied = await Promise.all([1, 2, 3].map(() => migratePostgres({ connection: url, schema })));
    await db.sql(`DROP SCHEMA ${schema} CASCADE`);
    expect(applied.flat().toSorted()).toEqual(['attention', 'last-error', 'operations', 'purges', 'queue']);
  });

  const connection = { connectionString: url, connectionTimeoutMillis: 20_000 };
  const open = () => db.store({ connection, preparedStatements: false });
  describeStore<pg.ClientBase>('the Postgres store', {
    async open() {
      const store = open();
      return {
        store,
        second: async () => open(),
        effects: {
          write: db.effect,
          count: async (label) => (await db.effects()).filter((note) => note === label).length,
        },
        travel: db.travel,
        breakTransaction: async (tx) => void (await tx.query('SELECT 1 / 0').catch(() => {})),
        commitBehindTheBack: async (tx) => void (await tx.query('COMMIT')),
        close: () => store.close(),
      };
    },
  });
});
