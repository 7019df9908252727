import type { Store } from '@semel/server/store';
import {
  createFixture,
  databaseUrl,
  type Fixture,
  random,
  request,
} from '@semel/store-postgres/testing/fixture';
import { createTcpProxy, loseAnswerAfter, type TcpProxy } from '@semel/testing/faults';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { call, semelOn } from './attack.ts';

// A refused atomic call is written by a second transaction, in the flight that rolls the first one back.

const few = { handlerConnections: 2, controlConnections: 1, lookupConnections: 1 };
let db: Fixture;
let near: Store<pg.ClientBase>;
let servers: Store<pg.ClientBase>[];
let proxy: TcpProxy;
let proxied: Store<pg.ClientBase> | undefined;
beforeAll(async () => {
  db = await createFixture('issue3_refusals');
  near = db.store(few);
  servers = Array.from({ length: 6 }, () => db.store(few));
});
afterAll(() => db.close());
beforeEach(async () => {
  const { hostname, port } = new URL(databaseUrl);
  proxy = await createTcpProxy({ target: { host: hostname, port: Number(port) } });
});
afterEach(async () => {
  await proxied?.close();
  await proxy.close();
});

const ISOLATIONS = ['read committed', 'repeatable read', 'serializable'] as const;
/** What lies under the key when the refused call comes. */
const UNDERNEATH = ['nothing', 'a released operation', 'an expired operation'] as const;

async function lay(underneath: (typeof UNDERNEATH)[number], key: string): Promise<void> {
  if (underneath === 'nothing') return;
  const store = near;
  const won = await store.claim(request({ scope: 'alice', procedure: 'p', key }));
  if (!won.won) throw new Error('lost');
  await store.settle(won.claim, { to: 'released', cause: 'released' }, { actor: 'a' });
  if (underneath !== 'an expired operation') return;
  await db.sql(`UPDATE {s}.operation SET expires_at = now() - interval '1 day' WHERE key = $1`, [key]);
}

describe.each(UNDERNEATH)('over %s', (underneath) => {
  const attempt = underneath === 'a released operation' ? 2 : 1;

  test.each(ISOLATIONS)(
    'a refusal that was committed and not answered is answered, %s',
    async (isolation) => {
      const asked = call({ mode: 'atomic', isolation }, { key: random() });
      await lay(underneath, asked.key);
      proxied = db.store({ ...few, connection: proxy.url(databaseUrl) });
      const { engine, store } = semelOn(proxied);
      const lost = loseAnswerAfter('COMMIT');
      proxy.setFaults({ onData: lost.onData });
      const cut = lost.swallowed.then(async (connection) => {
        const state = async () => (await near.lookup(asked))?.record.state;
        await expect.poll(state, { timeout: 20_000 }).toBe('failed');
        connection.reset();
      });
      let runs = 0;
      const result = await engine.run(asked, async (operation) => {
        runs++;
        await db.effect(operation.tx, asked.key);
        throw operation.refuse(new Error('no'));
      });
      await cut;
      expect(result).toMatchObject({ kind: 'failed', replayed: false, thrown: { message: 'no' } });
      expect(runs).toBe(1);
      expect((await store.lookup(asked))?.record).toMatchObject({ state: 'failed', attempt });
      expect(await db.effects()).not.toContain(asked.key);
    },
  );

  test.each(ISOLATIONS)(
    'a refusal that never arrived runs again and is stored once, %s',
    async (isolation) => {
      const asked = call({ mode: 'atomic', isolation }, { key: random() });
      await lay(underneath, asked.key);
      proxied = db.store({ ...few, connection: proxy.url(databaseUrl) });
      const { engine, store } = semelOn(proxied);
      let done = false;
      proxy.setFaults({
        onData(direction, chunk) {
          if (done || direction !== 'toServer' || !chunk.includes('COMMIT')) return 'pass';
          done = true;
          return 'reset';
        },
      });
      let runs = 0;
      const result = await engine.run(asked, async (operation) => {
        runs++;
        await db.effect(operation.tx, asked.key);
        throw operation.refuse(new Error('no'));
      });
      expect(result).toMatchObject({ kind: 'failed', replayed: false });
      expect(runs).toBe(2);
      expect((await store.lookup(asked))?.record).toMatchObject({ state: 'failed', attempt });
      expect(await db.effects()).not.toContain(asked.key);
    },
  );

  test.each(ISOLATIONS)(
    'of many refusals and one success at once one stands, for everybody, %s',
    async (isolation) => {
      const asked = call({ mode: 'atomic', isolation, inFlight: { waitMs: 20_000 } }, { key: random() });
      await lay(underneath, asked.key);
      const engines = servers.map((store) => semelOn(store).engine);
      const results = await Promise.all(
        engines.map((engine, i) =>
          engine.run(asked, async (operation) => {
            await db.effect(operation.tx, asked.key);
            if (i > 0) throw operation.refuse(new Error('no'));
            return 'yes';
          }),
        ),
      );
      const kinds = new Set(results.map(({ kind }) => kind));
      expect(kinds.size).toBe(1);
      expect(results.filter((result) => 'replayed' in result && !result.replayed)).toHaveLength(1);
      const effects = (await db.effects()).filter((note) => note === asked.key);
      expect(effects).toHaveLength(kinds.has('completed') ? 1 : 0);
    },
  );
});
