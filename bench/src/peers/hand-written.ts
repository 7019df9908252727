import { createHash } from 'node:crypto';
import pg from 'pg';
import type { Thing } from '../things.ts';
import { guarded } from './guarded.ts';
import type { Peer } from './peer.ts';
import { versionOf } from './version-of.ts';

const CLAIM = {
  name: 'hand_claim',
  text: 'insert into hand (key, fingerprint) values ($1, $2) on conflict do nothing',
};
const COMPLETE = { name: 'hand_complete', text: 'update hand set outcome = $2 where key = $1' };
const FIND = { name: 'hand_find', text: 'select fingerprint, outcome from hand where key = $1' };

/** The best that a team would write for itself in an afternoon: what a library has to be measured by as well. */
export const handWritten: Peer = guarded(
  {
    name: 'hand-written',
    version: `pg ${versionOf('pg')}`,
    promises:
      'effect and record commit together or not at all; duplicates wait on the unique index, each with a connection. No tenants, time limits, expiry, history, status, refusals, or answer to a lost COMMIT',
    configuration:
      'claim, effect and outcome in one transaction of three pipelined flights; looks first when asked a second time',
    durable: true,
  },
  async (things, { postgres }) => {
    const pool = new pg.Pool({ connectionString: postgres, max: 10, pipeline: true } as pg.PoolConfig);
    pool.on('error', () => {}); // of an idle connection: the next query opens another
    await pool.query(
      'create table if not exists hand (key text primary key, fingerprint text not null, outcome text)',
    );
    const seen = new Set<string>();
    const find = async (queries: Pick<pg.Pool, 'query'>, key: string): Promise<Thing | undefined> => {
      const { rows } = await queries.query<{ outcome: string }>({ ...FIND, values: [key] });
      return rows[0] && (JSON.parse(rows[0].outcome) as Thing);
    };
    return {
      async run(key = '', input) {
        const again = seen.has(key) ? await find(pool, key) : undefined;
        if (again !== undefined) return { status: 201, body: again };
        seen.add(key);
        const fingerprint = createHash('sha256').update(JSON.stringify(input)).digest('base64url');
        const client = await pool.connect();
        let broken: Error | undefined;
        try {
          const [, claimed] = await Promise.all([
            client.query('begin'),
            client.query({ ...CLAIM, values: [key, fingerprint] }),
          ]);
          if (claimed.rowCount === 0) {
            await client.query('rollback');
            // On this connection: with all of them held by duplicates that ask for another one, nobody would ever go on.
            return { status: 201, body: await find(client as unknown as pg.Pool, key) };
          }
          const thing = await things.create(input, client);
          await Promise.all([
            client.query({ ...COMPLETE, values: [key, JSON.stringify(thing)] }),
            client.query('commit'),
          ]);
          return { status: 201, body: thing };
        } catch (error) {
          broken = error as Error;
          throw error;
        } finally {
          client.release(broken);
        }
      },
      close: () => pool.end(),
    };
  },
);
