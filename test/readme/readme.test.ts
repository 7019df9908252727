import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterEach, expect, inject, test } from 'vitest';
import { writeExamples } from './examples.ts';
import { freePort, runFile, startFile } from './running.ts';

declare module 'vitest' {
  interface ProvidedContext {
    databaseUrl: string;
  }
}

const root = resolve(import.meta.dirname, '../..');
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean();
});

/** The document's examples on a port of their own. */
async function examplesOf(document: string) {
  const port = await freePort();
  return { port, ...writeExamples(document, (text) => text.replaceAll('4000', String(port))) };
}

/** A database of its own, named by `DATABASE_URL` as the documents expect. */
async function database(): Promise<{ DATABASE_URL: string }> {
  const name = `readme_${process.pid}_${cleanups.length}_${Date.now()}`;
  const admin = new pg.Client({ connectionString: inject('databaseUrl') });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${name}`);
  cleanups.push(async () => {
    await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
    await admin.end();
  });
  const url = new URL(inject('databaseUrl'));
  url.pathname = `/${name}`;
  return { DATABASE_URL: url.href };
}

test("the README's server and client do what the README says", async () => {
  const { folder, outputOf, port } = await examplesOf('README.md');
  const server = await startFile(folder, 'server.ts');
  cleanups.push(server.stop);
  expect(server.firstLine).toBe(`http://localhost:${port}`);
  expect(await runFile(folder, 'client.ts')).toBe(outputOf('client.ts'));
});

test('the README has a running server by line 30 and a client in 15 lines', () => {
  const lines = readFileSync(join(root, 'README.md'), 'utf8').split('\n');
  const listens = lines.findIndex((line) => line.includes('.listen('));
  expect(listens).toBeGreaterThan(0);
  expect(listens).toBeLessThan(30);
  const start = lines.indexOf('```ts file=client.ts');
  const length = lines.indexOf('```', start) - start - 1;
  expect(length).toBeGreaterThan(0);
  expect(length).toBeLessThanOrEqual(15);
});

test('docs/start.md stores orders in Postgres, once per key, also across a restart of the server', async () => {
  const { folder, outputOf } = await examplesOf('docs/start.md');
  const env = await database();
  const first = await startFile(folder, 'server.ts', env);
  cleanups.push(first.stop);
  const printed = await runFile(folder, 'client.ts', env);
  expect(printed.replaceAll(UUID, '<id>')).toBe(outputOf('client.ts'));
  const [before] = printed.match(UUID) ?? [];
  expect(before).toBeDefined();

  await first.stop();
  const second = await startFile(folder, 'server.ts', env);
  cleanups.push(second.stop);
  expect((await runFile(folder, 'client.ts', env)).match(UUID)?.[0]).toBe(before);
});

test.each([
  'docs/guides/atomic.md',
  'docs/guides/leased.md',
  'docs/guides/misuse.md',
  'docs/guides/queued.md',
  'docs/guides/keys.md',
  'docs/guides/encryption.md',
  'docs/guides/http.md',
  'packages/server/README.md',
])('%s prints what it says', async (document) => {
  const { folder, files, outputOf } = await examplesOf(document);
  expect(files.length).toBeGreaterThan(0);
  const env = await database();
  for (const file of files) expect(await runFile(folder, file, env)).toBe(outputOf(file));
});

test('every example compiles', async () => {
  const documents = [
    'README.md',
    'docs/start.md',
    'docs/guides/atomic.md',
    'docs/guides/leased.md',
    'docs/guides/misuse.md',
    'docs/guides/queued.md',
    'docs/guides/keys.md',
    'docs/guides/encryption.md',
    'docs/guides/http.md',
    'packages/server/README.md',
    'docs/guides/inspect.md',
    'packages/cli/README.md',
  ];
  const folder = join(import.meta.dirname, '.generated');
  mkdirSync(folder, { recursive: true });
  const compilerOptions = { composite: false, emitDeclarationOnly: false, declaration: false, noEmit: true };
  const files = documents.flatMap((document) => {
    const { folder: at, files } = writeExamples(document);
    return files.map((file) => join(at, file));
  });
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: '../../../tsconfig.base.json', compilerOptions, files }),
  );
  const tsc = join(root, 'node_modules/@typescript/native/bin/tsc');
  const { stdout }: { stdout: string } = await promisify(execFile)(process.execPath, [tsc, '-p', folder], {
    cwd: root,
  }).catch((error) => error);
  // What is wrong with the packages themselves is the type check's to say.
  const errors = stdout.split('\n').filter((line) => line.startsWith('test/readme/.generated/'));
  expect(errors).toEqual([]);
});

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
