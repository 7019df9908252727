// A worker as a process of its own, for a test that kills it: its handlers stop where they have sent the money.
import { createPostgresStore } from '@semel/store-postgres';
import { createPgBossJobs } from '@semel/store-postgres/jobs';
import pg from 'pg';
import { createPayouts } from './payouts.ts';

const { DATABASE_URL: connection = '', SCHEMA: schema = '' } = process.env;
const pool = new pg.Pool({ connectionString: connection, max: 2 });
const payouts = createPayouts({
  store: createPostgresStore({ connection, schema }),
  jobs: createPgBossJobs({ connection, schema: `${schema}_jobs` }),
  schema,
  outside: (sql, values) => pool.query(sql, values),
  hooks: {
    async reached(at, { id }) {
      if (at !== 'sent') return;
      process.send?.({ at, id });
      await new Promise(() => {});
    },
  },
});
payouts.work(1);
process.send?.({ ready: true });
