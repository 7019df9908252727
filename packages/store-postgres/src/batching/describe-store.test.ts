import { describeStore } from '@semel/testing';
import type pg from 'pg';
import { afterAll, beforeAll, describe } from 'vitest';
import { createFixture, databaseUrl, type Fixture } from '../testing/fixture.ts';
import { type PgBouncer, startPgBouncer } from '../testing/pgbouncer.ts';
import type { BatchingKnobs } from './writes.ts';

// Every promise of a store, where each write goes through the statements for many, and where none does.

const bouncer = await startPgBouncer(databaseUrl);
if (typeof bouncer === 'string') {
  if (process.env.CI !== undefined) throw new Error(bouncer);
  console.info(`skipped: batches behind PgBouncer (${bouncer})`);
}

let db: Fixture;
beforeAll(async () => {
  db = await createFixture('batching');
});
afterAll(async () => {
  await db.close();
  if (typeof bouncer !== 'string') await bouncer.stop();
});

const always: BatchingKnobs = { always: true, lanes: 1 };
const suite = (name: string, open: () => ReturnType<Fixture['store']>) =>
  describeStore<pg.ClientBase>(name, {
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

/** The whole of it in CI, where nobody waits for it. */
const short = process.env.CI === undefined;

suite('a store that writes in batches only', () => db.store({ batching: always }));
describe.skipIf(short)('without batching', () => {
  suite('a store that never batches', () => db.store({ batching: false }));
});
describe.skipIf(short || typeof bouncer === 'string')('behind PgBouncer in transaction mode', () => {
  const { url } = bouncer as PgBouncer;
  suite('a store that writes in batches only', () =>
    db.store({ connection: url, preparedStatements: false, batching: always }));
});
