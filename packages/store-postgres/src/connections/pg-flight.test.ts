import pg from 'pg';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { statementsFor } from '../statements/all.ts';
import { type Statement, statement } from '../statements/statement.ts';
import { createFixture, databaseUrl } from '../testing/fixture.ts';
import { sqlState } from './failures.ts';
import { begin, COMMIT, createSend, notCommitted, ROLLBACK, rowOf, type Send } from './flight.ts';
import type { Connection } from './pg-flight.ts';

// What is taken for granted of pg's client: run on each upgrade of pg, as everything here is.

let client: pg.Client;
let connection: Connection & NodeJS.EventEmitter;
beforeEach(async () => {
  client = new pg.Client({ connectionString: databaseUrl, pipeline: true } as pg.ClientConfig);
  client.on('error', () => {});
  await client.connect();
  connection = Reflect.get(client, 'connection') as never;
});
afterEach(() => client.end());

const send = createSend(true, 10_000);
const echo = statement('echo', 'SELECT $1::text AS echo');
const number = statement('number', 'SELECT $1::integer AS number');
const all: readonly (readonly [string, Send])[] = [
  ['prepared', send],
  ['unprepared', createSend(false, 10_000)],
];

test.each(all)('answers come in the order of the queries (%s)', async (_, by) => {
  const landed = await by(client, begin(), [echo, ['a']], [number, [7]], [echo, [null]], COMMIT);
  expect(landed.error).toBeUndefined();
  expect(landed.answers.map(({ rows }) => rows)).toEqual([[], [['a']], [[7]], [[null]], []]);
  expect(landed.answers.map(({ command }) => command)).toEqual([
    'BEGIN',
    'SELECT 1',
    'SELECT 1',
    'SELECT 1',
    'COMMIT',
  ]);
  expect(notCommitted(landed)).toBeUndefined();
  expect(rowOf(landed, 1)).toEqual(['a']);
});

test.each(all)('values of all kinds arrive as what they were (%s)', async (_, by) => {
  const kinds = statement(
    'kinds',
    'SELECT $1::text, $2::boolean, $3::integer, $4::float8, $5::text[]::text, $6::integer[]::text, $7::text',
  );
  const odd = 'a "b", {c}\\ ü\u{1F600}';
  const landed = await by(client, [kinds, [odd, true, -7, 0.1, [odd, 'NULL'], [1, 2], undefined]]);
  const list = '{"a \\"b\\", {c}\\\\ ü\u{1F600}","NULL"}';
  expect(landed).toEqual({
    error: undefined,
    answers: [{ rows: [[odd, true, -7, 0.1, list, '{1,2}', null]], command: 'SELECT 1' }],
  });
});

test('columns of a prepared statement are asked for once', async () => {
  const described = vi.fn();
  connection.on('rowDescription', described);
  for (let n = 0; n < 3; n++) expect(rowOf(await send(client, [number, [n]]), 0)).toEqual([n]);
  expect(described).toHaveBeenCalledTimes(1);
  const asked = vi.spyOn(connection, 'describe');
  for (let n = 0; n < 3; n++) await send(client, begin(), COMMIT);
  expect(asked).toHaveBeenCalledTimes(2);
});

test('flights that leave before the first is answered know the columns too', async () => {
  const landed = await Promise.all([1, 2, 3, 4].map((n) => send(client, [number, [n]])));
  expect(landed.map((each) => rowOf(each, 0))).toEqual([[1], [2], [3], [4]]);
});

test('what follows an error in a flight isn’t done, and the next flight is', async () => {
  await client.query('CREATE TEMPORARY TABLE note (text text)');
  const write = statement('write', 'INSERT INTO note VALUES ($1)');
  const divide = statement('divide', 'SELECT 1 / $1::integer');
  const failed = await send(client, begin(), [write, ['a']], [divide, [0]], [echo, ['never']], COMMIT);
  expect(sqlState(failed.error)).toBe('22012');
  expect(failed.answers).toHaveLength(2);
  expect(notCommitted(failed)).toBe(failed.error);
  // Told after the error, perhaps in another packet.
  await expect(client.query('SELECT 1')).rejects.toThrow('current transaction is aborted');
  expect(client.getTransactionStatus()).toBe('E');
  // `divide` was prepared and failed when it ran; `echo` never came to that.
  const next = await send(client, ROLLBACK, [divide, [1]], [echo, ['b']]);
  expect(next.answers.map(({ rows }) => rows)).toEqual([[], [[1]], [['b']]]);
  expect((await client.query('SELECT * FROM note')).rows).toEqual([]);
});

test('a statement that can’t be prepared fails each time, and stands in nobody’s way', async () => {
  const nonsense = statement('nonsense', 'SELECT nothing FROM nowhere');
  for (let n = 0; n < 2; n++) {
    const [failed, other] = await Promise.all([
      send(client, [nonsense, []], [number, [n]]),
      send(client, [echo, ['a']]),
    ]);
    expect(sqlState(failed.error)).toBe('42P01');
    expect(rowOf(other, 0)).toEqual(['a']);
  }
  expect(rowOf(await send(client, [number, [1]]), 0)).toEqual([1]);
});

test('several statements without BEGIN are one transaction', async () => {
  await client.query('CREATE TEMPORARY TABLE note (text text)');
  const write = statement('write', 'INSERT INTO note VALUES ($1)');
  const failed = await send(client, [write, ['a']], [statement('divide', 'SELECT 1 / 0'), []]);
  expect(sqlState(failed.error)).toBe('22012');
  expect((await client.query('SELECT * FROM note')).rows).toEqual([]);
});

test('a value that is none is refused before anything is sent', async () => {
  const failed = await send(client, [echo, [{} as string]]);
  expect(failed).toEqual({ answers: [], error: expect.any(TypeError) as unknown });
  expect(rowOf(await send(client, [echo, ['b']]), 0)).toEqual(['b']);
});

test('pg’s own queries come in between', async () => {
  const [first, own, second] = await Promise.all([
    send(client, [echo, ['a']]),
    client.query('SELECT 1 AS one'),
    send(client, [echo, ['b']]),
  ]);
  expect([rowOf(first, 0), own.rows, rowOf(second, 0)]).toEqual([['a'], [{ one: 1 }], ['b']]);
});

test('a connection that breaks ends the flights on it', async () => {
  const sleep = statement('sleep', 'SELECT pg_sleep(30)::text');
  const flights = [send(client, [sleep, []]), send(client, [echo, ['a']])];
  connection.stream.destroy();
  for (const { error } of await Promise.all(flights)) expect(error).toBeInstanceOf(Error);
  expect((await send(client, [echo, ['b']])).error).toBeInstanceOf(Error);
});

test('an answer that doesn’t come in time breaks the connection', async () => {
  const impatient = createSend(true, 100);
  const landed = await impatient(client, [statement('sleep', 'SELECT pg_sleep(30)::text'), []]);
  expect(landed.error).toMatchObject({ message: 'Query read timeout' });
  expect((await send(client, [echo, ['b']])).error).toBeInstanceOf(Error);
});

test('what an application has pg read otherwise is read here as ever', async () => {
  const before = pg.types.getTypeParser(pg.types.builtins.INT4) as (text: string) => unknown;
  pg.types.setTypeParser(pg.types.builtins.INT4, (text) => `number ${text}`);
  try {
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 'number 1' }]);
    expect(rowOf(await send(client, [number, [1]]), 0)).toEqual([1]);
  } finally {
    pg.types.setTypeParser(pg.types.builtins.INT4, before);
  }
});

test('a tracer that wraps the query and its callback sees what was asked, and nothing breaks', async () => {
  const seen: unknown[] = [];
  const query = Reflect.get(client, 'query') as (...args: unknown[]) => unknown;
  vi.spyOn(client, 'query').mockImplementation(((asked: { text: string; callback: () => void }) => {
    seen.push(asked.text);
    const { text, callback } = asked;
    Object.defineProperty(asked, 'text', { get: () => `${text} /* traced */` });
    asked.callback = (...args: []) => {
      seen.push('answered');
      callback(...args);
    };
    return query.call(client, asked);
  }) as never);
  expect(rowOf(await send(client, begin(), [echo, ['a']], COMMIT), 1)).toEqual(['a']);
  expect(seen).toEqual(['BEGIN ISOLATION LEVEL read committed; SELECT $1::text AS echo; COMMIT', 'answered']);
});

test('no statement of the store answers what a flight can’t read', async () => {
  const db = await createFixture('types');
  try {
    const statements = statementsFor(db.schema) as Record<string, Statement>;
    const found: Record<string, string[]> = {};
    for (const [name, { text }] of Object.entries(statements)) {
      await client.query(`PREPARE ${name.toLowerCase()} AS ${text}`);
      const { rows } = await client.query<{ types: string[] | null }>(
        'SELECT result_types::text[] AS types FROM pg_prepared_statements WHERE name = $1',
        [name.toLowerCase()],
      );
      found[name] = [...new Set(rows[0]?.types ?? [])];
    }
    const readable = ['text', 'boolean', 'integer', 'double precision', 'void'];
    const others = Object.entries(found).flatMap(([name, types]) =>
      types
        .filter((type) => !readable.includes(type) && !type.includes('operation_'))
        .map((type) => [name, type]),
    );
    expect(others).toEqual([]);
    expect(Object.keys(found).length).toBeGreaterThan(50);
  } finally {
    await db.close();
  }
});
