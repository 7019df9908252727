import { fingerprint } from '@semel/contract/v1/pure';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { query } from '../fixtures/plain-client.ts';
import { createDatabase, type Database, FIRST, type Handlers, type Server, said } from './server.ts';

let db: Database;
let server: Server;
let unsealed: Server;
const handlers: Handlers = { atomic: async () => 0, leased: async () => 0 };
let runs = 0;
beforeAll(async () => {
  db = await createDatabase();
  server = await db.serve(FIRST, handlers);
  unsealed = await db.serve(undefined, handlers);
});
afterAll(() => db.close());
beforeEach(() => {
  runs = 0;
  server.events.length = 0;
  handlers.atomic = async (_, input) => ({ run: ++runs, ...input });
  handlers.leased = async (operation, input) => {
    await operation.step('charge', { input }, async () => ({ charged: input }));
    return { run: ++runs, ...input };
  };
});

const WHY = { actor: 'operator:alice', reason: 'ticket 4711' };
const GONE = '409 outcome_gone';

describe.each(['with', 'without'])('%s a key ring', (kind) => {
  const at = () => (kind === 'with' ? server : unsealed);
  const user = `erika-${kind}`;
  const input = { name: `Erika Mustermann ${kind}` };

  test('nothing of a purged person but scope and key is left, and no retry runs again', async () => {
    expect((await at().call('atomic', 'a', input, user)).status).toBe(200);
    expect((await at().call('leased', 'l', input, user)).status).toBe(200);
    expect((await at().call('narrowed', 'n', { ...input, student: 'anna' }, user)).status).toBe(200);
    if (kind === 'without') expect(await db.everything()).toContain(input.name);

    expect(await at().semel.purge({ principal: user, ...WHY })).toEqual({
      purged: 3,
      unsettled: 0,
      unsettledIds: [],
    });
    const all = await db.everything();
    expect(all).not.toContain(input.name);
    expect(all).not.toContain(fingerprint('atomic', input));
    expect(await db.sql('SELECT * FROM semel.step')).toEqual([]);

    for (const given of [input, { name: 'somebody else' }]) {
      expect(said(await at().call('atomic', 'a', given, user))).toBe(GONE);
      expect(said(await at().call('leased', 'l', given, user))).toBe(GONE);
    }
    expect(said(await at().call('narrowed', 'n', { ...input, student: 'anna' }, user))).toBe(GONE);
    expect(runs).toBe(3);
    // Erased on purpose: no alert.
    expect(at().undecryptable()).toEqual([]);
    const status = await query(at().url, 'idempotency.status', { procedure: 'atomic', key: 'a' }, user);
    expect(status.body.result.data).toMatchObject({
      state: 'completed',
      outcome: { v: 1, ok: true, gone: 'purged' },
    });
  });
});

test('who, why and when stay, once for each operation, and can not be changed', async () => {
  await server.call('atomic', 'audit', {}, 'audited');
  const [row] = await db.sql(`SELECT operation_id AS id FROM semel.operation WHERE key = 'audit'`);
  const operationId = row?.id as string;
  expect(await server.semel.purge({ operationId, ...WHY, traceId: 'trace-1' })).toMatchObject({ purged: 1 });
  expect(await server.semel.purge({ operationId, actor: 'other', reason: 'again' })).toMatchObject({
    purged: 0,
  });
  expect(await server.store.purged(operationId)).toMatchObject({ operationId, ...WHY, traceId: 'trace-1' });
  await expect(db.sql(`UPDATE semel.purge SET actor = 'nobody'`)).rejects.toThrow('append-only');
  await expect(db.sql('DELETE FROM semel.purge')).rejects.toThrow('append-only');
  await expect(db.sql('TRUNCATE semel.purge')).rejects.toThrow('append-only');
  expect(server.events.filter(({ type }) => type === 'purged')).toEqual([
    { type: 'purged', actor: 'operator:alice', purged: 1, unsettled: 0 },
    { type: 'purged', actor: 'other', purged: 0, unsettled: 0 },
  ]);
});

test('a principal is no prefix: neighbours keep their answers, narrowed or not', async () => {
  const neighbours = ['a/b', 'ab', 'A', '1', 'b', '1:'];
  for (const user of ['a', ...neighbours]) {
    await server.call('atomic', 'shared', { user }, user);
    await server.call('narrowed', 'shared', { user, student: 'anna' }, user);
  }
  // One whose narrowed scope begins as a longer one's does.
  await server.call('narrowed', 'shared', { user: 'a/', student: 'anna' }, 'a/');
  expect(await server.semel.purge({ principal: 'a', ...WHY, batch: 1 })).toMatchObject({ purged: 2 });
  runs = 0;
  for (const user of neighbours) {
    expect(said(await server.call('atomic', 'shared', { user }, user))).toMatchObject({ user });
    expect(said(await server.call('narrowed', 'shared', { user, student: 'anna' }, user))).toMatchObject({
      user,
    });
  }
  expect(said(await server.call('narrowed', 'shared', { user: 'a/', student: 'anna' }, 'a/'))).toMatchObject({
    user: 'a/',
  });
  expect(said(await server.call('atomic', 'shared', { user: 'a' }, 'a'))).toBe(GONE);
  expect(runs).toBe(0);
});

test("a principal that looks like another's narrowed scope is not purged by that name", async () => {
  await expect(server.semel.purge({ principal: '3:bob/x', ...WHY })).rejects.toThrow(
    `a principal called "3:bob/x" looks like another's narrowed scope`,
  );
});

test('an operation that runs is left alone and named, and can be purged when it is settled', async () => {
  const [held, begun] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  handlers.leased = async () => {
    runs++;
    begun.resolve();
    await held.promise;
    return { diagnosis: 'F32.1' };
  };
  const running = server.call('leased', 'running', {}, 'patient');
  await begun.promise;
  const report = await server.semel.purge({ principal: 'patient', ...WHY });
  expect([report.purged, report.unsettled]).toEqual([0, 1]);
  held.resolve();
  expect(said(await running)).toEqual({ diagnosis: 'F32.1' });
  const [id] = report.unsettledIds;
  expect(await server.semel.purge({ operationId: id as string, ...WHY })).toMatchObject({ purged: 1 });
  expect(said(await server.call('leased', 'running', {}, 'patient'))).toBe(GONE);
  expect(runs).toBe(1);
});

test('a purge that was broken off goes on where it is called again', async () => {
  for (let i = 0; i < 5; i++) await server.call('atomic', `many-${i}`, {}, 'many');
  const stop = new AbortController();
  const { store } = server;
  const purge = store.purge;
  let batches = 0;
  store.purge = (request) => {
    if (++batches === 2) stop.abort(new Error('shutting down'));
    return purge(request);
  };
  const asked = { principal: 'many', ...WHY, batch: 2 };
  await expect(server.semel.purge({ ...asked, signal: stop.signal })).rejects.toThrow('shutting down');
  store.purge = purge;
  expect(server.events.at(-1)).toEqual({ type: 'purged', actor: 'operator:alice', purged: 4, unsettled: 0 });
  expect(await server.semel.purge(asked)).toMatchObject({ purged: 1 });
});

test.each([
  [{}, 'exactly one of principal, scope and operationId'],
  [{ principal: 'a', scope: 'b' }, 'exactly one of'],
  [{ principal: '' }, 'exactly one of'],
  [{ scope: '' }, 'exactly one of'],
  [{ principal: 'a', actor: '' }, 'actor is 1 to 200 characters'],
  [{ principal: 'a', reason: undefined }, 'reason is 1 to 1000 characters'],
  [{ principal: 'a', reason: 'line\nbreak' }, 'reason is 1 to 1000 characters'],
  [{ principal: 'a', batch: 0 }, 'batch is a whole number between 1 and 10000'],
])('a purge of %j is refused before anything is touched', async (wrong, says) => {
  await expect(server.semel.purge({ ...WHY, ...wrong } as never)).rejects.toThrow(says);
  expect(server.events).toEqual([]);
});
