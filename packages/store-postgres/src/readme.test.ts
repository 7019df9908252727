import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { atomicRequest, databaseUrl } from './testing/fixture.ts';

const connection = new URL(databaseUrl);
connection.pathname = `/semel_readme_${process.pid}`;
const name = connection.pathname.slice(1);

beforeAll(() => admin(`CREATE DATABASE ${name}`));
afterAll(() => admin(`DROP DATABASE ${name} WITH (FORCE)`));

async function admin(sql: string, url = databaseUrl): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

test("the README's example runs as it stands", async () => {
  await admin('CREATE TABLE payment (id text PRIMARY KEY, amount integer)', connection.href);
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const [, code = ''] = /```ts\n([\s\S]*?)```/.exec(readme) ?? [];
  const folder = new URL('../node_modules/.cache/readme/', import.meta.url);
  mkdirSync(folder, { recursive: true });
  const file = new URL(`example-${process.pid}.ts`, folder);
  const source = code.replace("'@semel/store-postgres'", "'../../../src/index.ts'");
  const given = 'const { connection, request } = globalThis.readme;';
  writeFileSync(file, `${given}\n${source}\nexport { result, store };\n`);
  const request = atomicRequest();
  Object.assign(globalThis, { readme: { connection: connection.href, request } });
  try {
    const { result, store } = await import(/* @vite-ignore */ file.href);
    expect(result).toMatchObject({ kind: 'settled', value: 'pay_1', attempt: 1 });
    expect(await store.lookup(request)).toMatchObject({ record: { state: 'completed' } });
    await store.close();
  } finally {
    rmSync(file);
  }
});
