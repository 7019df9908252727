import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { CATALOGUE, FINDING_CODES, type Finding, SEVERITIES } from '@semel/server/inspect';
import pg from 'pg';
import { afterAll, expect, inject, test } from 'vitest';
import { writeExamples } from './examples.ts';
import { freePort, runFile } from './running.ts';

const root = resolve(import.meta.dirname, '../..');
const command = join(root, 'packages/cli/src/main.ts');
const cleanups: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const clean of cleanups) await clean();
});

test("the command prints what packages/cli's README says", async () => {
  const { folder, outputOf } = examplesOf('packages/cli/README.md');
  const args = ['--conditions=@semel/source', command, 'inspect', 'router.ts'];
  const env = { ...process.env, NO_COLOR: '1' };
  const ended: { code?: number; stdout: string } = await promisify(execFile)(process.execPath, args, {
    cwd: folder,
    env,
  }).catch((error) => error);
  expect(`$ npx semel inspect router.ts\n${ended.stdout}`).toBe(outputOf('router.ts'));
  expect(ended.code).toBe(1);
});

test('docs/guides/inspect.md prints what it says', async () => {
  const { folder, outputOf } = examplesOf('docs/guides/inspect.md');
  expect(await runFile(folder, 'inspect.ts')).toBe(outputOf('inspect.ts'));
});

test('docs/guides/inspect.md has every finding, in order, with its reason and what to write instead', () => {
  const page = readFileSync(join(root, 'docs/guides/inspect.md'), 'utf8');
  const parts = page.split(/^### /m).slice(1);
  const bySeverity = SEVERITIES.flatMap((severity) =>
    FINDING_CODES.filter((code) => CATALOGUE[code].severity === severity),
  );
  expect(parts.map((part) => part.split('\n')[0])).toEqual(bySeverity);
  for (const [i, code] of bySeverity.entries()) {
    expect(parts[i]).toContain(`\n${CATALOGUE[code].why}\n\nInstead: ${CATALOGUE[code].instead}\n`);
  }
});

const examplesOf = (document: string, edit?: (text: string) => string) =>
  writeExamples(document, edit, 'inspected-');

/** What is true of these examples, and nothing else: their scopes are constants, and they leave defaults in force. */
test.each([
  ['README.md', 'server.ts', ['default_ttl', 'no_output_parser']],
  ['docs/start.md', 'server.ts', ['default_ttl']],
  ['docs/guides/atomic.md', 'atomic.ts', ['scope_constant', 'default_ttl', 'no_output_parser']],
  ['docs/guides/leased.md', 'leased.ts', ['scope_constant', 'default_ttl', 'no_output_parser']],
  ['docs/guides/keys.md', 'keys.ts', ['default_ttl', 'default_ttl', 'no_output_parser', 'no_output_parser']],
])('the example of %s raises no false alarm', async (document, file, expected) => {
  const port = await freePort();
  const { folder } = examplesOf(document, (text) => text.replaceAll('4000', String(port)));
  const path = join(folder, file);
  writeFileSync(
    path,
    `${readFileSync(path, 'utf8')}
import { inspect as look } from '@semel/server/inspect';
console.log(\`found \${JSON.stringify((await look(router)).findings)}\`);
process.exit();
`,
  );
  const printed = await runFile(folder, file, await database());
  const line = printed.split('\n').find((one) => one.startsWith('found ')) ?? '';
  const findings = JSON.parse(line.slice('found '.length)) as Finding[];
  expect(findings.map(({ code }) => code)).toEqual(expected);
});

async function database(): Promise<{ DATABASE_URL: string }> {
  const name = `inspect_${process.pid}_${cleanups.length}_${Date.now()}`;
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
