import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Database, openDatabase } from './testing/fixture.ts';
import { type RedisServer, startRedisServer } from './testing/redis-server.ts';

let redis: RedisServer;
let db: Database;
beforeAll(async () => {
  [redis, db] = await Promise.all([startRedisServer(), openDatabase('readme')]);
});
afterAll(() => Promise.all([redis.close(), db.close()]));

test("the README's example runs as it stands", async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const [, code = ''] = /```ts\n([\s\S]*?)```/.exec(readme) ?? [];
  const folder = new URL('../node_modules/.cache/readme/', import.meta.url);
  mkdirSync(folder, { recursive: true });
  const file = new URL(`example-${process.pid}.ts`, folder);
  const source = code
    .replace("'@semel/store-redis'", "'../../../src/index.ts'")
    .replace('redis://127.0.0.1:6379', redis.url);
  const exported = 'export { again, first, redis, semel };';
  writeFileSync(file, `const { store } = globalThis.readme;\n${source}\n${exported}\n`);
  Object.assign(globalThis, { readme: { store: db.store() } });
  try {
    const example = await import(/* @vite-ignore */ file.href);
    expect(example.first).toMatchObject({ kind: 'completed', value: 'receipt', replayed: false });
    expect(example.again).toEqual({ ...example.first, replayed: true });
    await example.semel.close();
    await example.redis.close();
  } finally {
    rmSync(file);
  }
});
