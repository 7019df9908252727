import { describeStore } from '@semel/testing';
import type pg from 'pg';
import { afterAll, beforeAll } from 'vitest';
import { createFixture, type Fixture } from './testing/fixture.ts';

let db: Fixture;
beforeAll(async () => {
  db = await createFixture('describe');
});
afterAll(() => db.close());

describeStore<pg.ClientBase>('the Postgres store', {
  async open() {
    const store = db.store();
    return {
      store,
      second: async () => db.store(),
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
