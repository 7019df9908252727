import pg from 'pg';
import { afterEach, expect, test, vi } from 'vitest';
import { statement } from '../statements/statement.ts';
import { databaseUrl } from '../testing/fixture.ts';
import { connectionConfig } from './config.ts';
import { createSend } from './flight.ts';
import { createLines, type Lines } from './lines.ts';
import { createControl, createPool } from './pools.ts';

const send = createSend(true, 10_000);
const sleep = statement('sleep', 'SELECT pg_sleep($1::float8)::text');
const echo = statement('echo', 'SELECT $1::text');
const backend = statement('backend', 'SELECT pg_backend_pid()');

let lines: Lines;
afterEach(async () => {
  vi.restoreAllMocks();
  await lines.close();
});
const open = (count: number) => {
  lines = createLines(connectionConfig(databaseUrl), count, send, () => {});
};

test('what is asked together goes over one connection, and over another once that is full', async () => {
  open(2);
  const pidsOf = async (calls: number) => {
    const rows = await Promise.all(Array.from({ length: calls }, () => lines.read(backend, [])));
    return new Set(rows.map(([row]) => row?.[0]));
  };
  expect(await pidsOf(1)).toEqual(await pidsOf(16));
  expect((await pidsOf(60)).size).toBe(2);
});

test('nobody waits behind a look-up that takes long while another connection has time', async () => {
  open(2);
  await Promise.all(Array.from({ length: 60 }, () => lines.read(echo, ['both are open'])));
  let isOver = false;
  const long = lines.read(sleep, [2]).then(() => {
    isOver = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  for (let n = 0; n < 40; n++) await lines.read(echo, ['a']);
  expect(isOver).toBe(false);
  await long;
});

test('where no connection is to be had any more, the one that is open carries on', async () => {
  open(2);
  await Promise.all(Array.from({ length: 60 }, () => lines.read(backend, [])));
  const [[pid] = []] = await lines.read(backend, []);
  const admin = new pg.Client(databaseUrl);
  await admin.connect();
  vi.spyOn(pg.Client.prototype, 'connect').mockImplementation((() =>
    Promise.reject(new Error('none left'))) as never);
  await admin.query('SELECT pg_terminate_backend($1)', [pid]);
  for (let n = 0; n < 10; n++) {
    const [row] = await lines.read(backend, []);
    expect(row?.[0]).not.toBe(pid);
  }
  await admin.end();
});

test('a connection that has become useless to many at once is ended once', async () => {
  open(1);
  const warned = vi.fn();
  process.on('warning', warned);
  try {
    const [[pid] = []] = await lines.read(backend, []);
    await lines.read(echo, ['prepared']);
    const forget = statement('forget', 'DEALLOCATE ALL');
    const end = vi.spyOn(pg.Client.prototype, 'end');
    const answers = [
      lines.read(forget, []),
      ...Array.from({ length: 30 }, () => lines.read(echo, ['again'])),
    ];
    expect((await Promise.all(answers)).slice(1)).toEqual(Array.from({ length: 30 }, () => [['again']]));
    expect(end).toHaveBeenCalledTimes(1);
    expect((await lines.read(backend, []))[0]?.[0]).not.toBe(pid);
    expect(warned).not.toHaveBeenCalled();
  } finally {
    process.off('warning', warned);
  }
});

test('whoever gets a connection next gets it outside a transaction, after a flight that failed in one too', async () => {
  open(1);
  const pool = createPool(connectionConfig(databaseUrl), 1, () => {});
  const control = createControl(pool, send);
  const begin = statement('begin', 'BEGIN');
  const divide = statement('divide', 'SELECT 1 / $1::integer');
  for (let n = 0; n < 200; n++) {
    const { error } = await control.fly([begin, []], [divide, [0]]);
    expect(error).toMatchObject({ code: '22012' });
    expect(await control.run([echo, ['b']])).toEqual([['b']]);
  }
  expect(pool.totalCount).toBe(1);
  await control.close();
});
