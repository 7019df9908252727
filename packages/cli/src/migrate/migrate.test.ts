import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { runCommand } from '../testing/terminal.ts';

const url = inject('databaseUrl');
const made: string[] = [];
let pool: pg.Pool;
beforeAll(() => {
  pool = new pg.Pool({ connectionString: url, max: 2 });
});
afterAll(async () => {
  for (const schema of made) await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
  await pool.end();
});

function fresh(): string {
  const schema = `cli_migrate_${randomBytes(4).toString('hex')}`;
  made.push(schema);
  return schema;
}
const migrate = (schema: string, ...args: string[]) =>
  runCommand(['migrate', '--schema', schema, ...args], { env: { DATABASE_URL: url } });

test('what is pending is said by --dry-run and made by migrate, once', async () => {
  const schema = fresh();
  const before = await migrate(schema, '--dry-run');
  expect(before.code).toBe(1);
  expect(before.stdout).toMatch(/^Schema cli_migrate_\w+\n {2}0001 {2}operations +pending\n/);
  expect(before.stdout).toContain('5 migrations pending: semel migrate applies them');
  const nothing = await pool.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema]);
  expect(nothing.rowCount).toBe(0);

  const first = await migrate(schema);
  expect(first.code).toBe(0);
  expect(first.stdout).toMatch(/0001 {2}operations +applied now {2}\d{4}-/);
  expect(first.stdout).toContain('5 migrations applied now: up to date');
  const again = await migrate(schema);
  expect({ code: again.code, end: again.stdout.split('\n').at(-2) }).toEqual({ code: 0, end: 'up to date' });
  expect((await migrate(schema, '--dry-run')).code).toBe(0);
});

test('--json says what was applied now, and since when the others are', async () => {
  const schema = fresh();
  const { code, stdout } = await migrate(schema, '--json');
  const report = JSON.parse(stdout);
  expect(code).toBe(0);
  expect(report).toMatchObject({
    schema,
    applied: ['operations', 'purges', 'queue', 'attention', 'last-error'],
    migrations: [
      { id: 1, name: 'operations', state: 'applied' },
      { id: 2, name: 'purges', state: 'applied' },
      { id: 3, name: 'queue', state: 'applied' },
      { id: 4, name: 'attention', state: 'applied' },
      { id: 5, name: 'last-error', state: 'applied' },
    ],
  });
  expect(Number.isNaN(Date.parse(report.migrations[0].appliedAt))).toBe(false);
});

test('a schema of a newer version, and one that somebody changed, are refused and left alone', async () => {
  const schema = fresh();
  await migrate(schema);
  await pool.query(`INSERT INTO ${schema}.migration (id, name, checksum) VALUES (99, 'future', 'x')`);
  const newer = await migrate(schema);
  expect(newer).toMatchObject({ code: 2, stdout: '' });
  expect(newer.stderr).toContain(
    "newer than this command: it has migration 99 (future), which this version doesn't know",
  );
  await pool.query(`DELETE FROM ${schema}.migration WHERE id = 99`);
  await pool.query(`UPDATE ${schema}.migration SET checksum = 'x' WHERE id = 2`);
  const changed = await migrate(schema, '--dry-run');
  expect(changed.code).toBe(2);
  expect(changed.stderr).toContain(
    `Migration 2 (purges) of the schema ${schema} isn't the one that was applied`,
  );
});

test('a role without the right is told which one it needs', async () => {
  const schema = fresh();
  const role = `${schema}_role`;
  await pool.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret-of-the-role'`);
  try {
    const there = new URL(url);
    [there.username, there.password] = [role, 'secret-of-the-role'];
    const { code, stderr } = await runCommand(['migrate', '--schema', schema, '--database', there.href]);
    expect(code).toBe(2);
    expect(stderr).toContain('this role lacks the right to do that');
    expect(stderr).toContain('GRANT CREATE ON DATABASE');
    expect(stderr).toContain(`${role}:***@`);
    expect(stderr).not.toContain('secret-of-the-role');
  } finally {
    await pool.query(`DROP ROLE ${role}`);
  }
});

test('a migration that would have to wait for a table gives up, and says what to do', async () => {
  const schema = fresh();
  await migrate(schema);
  // As if 0003 to 0005 had never been: only what they made is in the way of making it again.
  await pool.query(`DELETE FROM ${schema}.migration WHERE id > 2;
    DROP TABLE ${schema}.work, ${schema}.progress, ${schema}.decision, ${schema}.attention;
    DROP TRIGGER operation_in_step ON ${schema}.operation; DROP FUNCTION ${schema}.keep_in_step()`);
  const client = await pool.connect();
  try {
    await client.query(`BEGIN; LOCK TABLE ${schema}.operation IN ROW EXCLUSIVE MODE`);
    const { code, stderr } = await migrate(schema);
    expect(code).toBe(2);
    expect(stderr).toContain('a table was locked for longer than 5 s');
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
  expect((await migrate(schema)).stdout).toContain('3 migrations applied now: up to date');
}, 30_000);

test('--jobs makes the tables of the queue', async () => {
  const [schema, jobs] = [fresh(), fresh()];
  expect((await migrate(schema, '--jobs', '--jobs-schema', jobs)).code).toBe(0);
  const { rows } = await pool.query(`SELECT name FROM ${jobs}.queue`);
  expect(rows).toEqual([{ name: 'semel' }]);
});

test.each([
  [['migrate'], {}, 'which database? --database postgres://…, or DATABASE_URL'],
  [['migrate', 'now'], {}, 'migrate takes no now'],
  [
    ['migrate', '--schema', 'Semel"; --'],
    { DATABASE_URL: url },
    '--schema is a plain lower-case Postgres identifier',
  ],
  [
    ['migrate'],
    { DATABASE_URL: 'postgres://me:hunter2@127.0.0.1:1/x' },
    'postgres://me:***@127.0.0.1:1/x: nothing listens there',
  ],
] as const)('%j is 2, with a reason', async (args, env, why) => {
  const { code, stdout, stderr } = await runCommand(args, { env });
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(why);
  expect(stderr).not.toContain('hunter2');
});
