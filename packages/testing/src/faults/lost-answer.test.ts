import pg from 'pg';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { loseAnswerAfter } from './lost-answer.ts';
import { createTcpProxy, type TcpProxy } from './tcp-proxy.ts';

declare module 'vitest' {
  interface ProvidedContext {
    databaseUrl: string;
  }
}

const databaseUrl = inject('databaseUrl');
const schema = `faults_${process.pid}_${Date.now()}`;
const direct = new pg.Client({ connectionString: databaseUrl });
let proxy: TcpProxy;

const through = async () => {
  const client = new pg.Client({ connectionString: proxy.url(databaseUrl) });
  client.on('error', () => {}); // a broken connection is told to the query, too
  await client.connect();
  return client;
};

beforeAll(async () => {
  const { hostname, port } = new URL(databaseUrl);
  proxy = await createTcpProxy({ target: { host: hostname, port: Number(port || 5432) } });
  await direct.connect();
  await direct.query(`CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.row (id int PRIMARY KEY)`);
});
afterAll(async () => {
  await proxy.close();
  await direct.query(`DROP SCHEMA ${schema} CASCADE`);
  await direct.end();
});

test('a COMMIT whose acknowledgement is lost has happened, and the client gets ECONNRESET', async () => {
  const lost = loseAnswerAfter('COMMIT');
  proxy.setFaults({ onData: lost.onData });
  const client = await through();
  await client.query('BEGIN');
  await client.query(`INSERT INTO ${schema}.row VALUES (1)`);
  const commit = client.query('COMMIT').then(
    () => 'answered',
    (error: NodeJS.ErrnoException) => error.code,
  );

  const connection = await lost.swallowed;
  expect((await direct.query(`SELECT id FROM ${schema}.row`)).rows).toEqual([{ id: 1 }]);
  expect(await Promise.race([commit, Promise.resolve('waiting')])).toBe('waiting');
  connection.reset();
  expect(await commit).toBe('ECONNRESET');

  // Only once: the retry on a new connection gets its answer.
  const retry = await through();
  await retry.query('BEGIN');
  await retry.query('COMMIT');
  await retry.end();
});

test('a COMMIT that is lost on the way has not happened', async () => {
  proxy.setFaults({
    onData: (direction, chunk) => (direction === 'toServer' && chunk.includes('COMMIT') ? 'reset' : 'pass'),
  });
  const client = await through();
  await client.query('BEGIN');
  await client.query(`INSERT INTO ${schema}.row VALUES (2)`);
  await expect(client.query('COMMIT')).rejects.toMatchObject({ code: 'ECONNRESET' });
  expect((await direct.query(`SELECT id FROM ${schema}.row WHERE id = 2`)).rows).toEqual([]);
});

test('finds its text when TCP cut it in two', () => {
  const { onData } = loseAnswerAfter('COMMIT');
  const connection = {} as Parameters<typeof onData>[2];
  expect(onData('toServer', Buffer.from('...COM'), connection)).toBe('pass');
  expect(onData('toClient', Buffer.from('answer'), connection)).toBe('pass');
  expect(onData('toServer', Buffer.from('MIT'), connection)).toBe('pass');
  expect(onData('toClient', Buffer.from('answer'), connection)).toBe('blackhole');
});

test('texts that cannot be found are refused', () => {
  expect(() => loseAnswerAfter('')).toThrow(RangeError);
  expect(() => loseAnswerAfter('x'.repeat(257))).toThrow(RangeError);
});
