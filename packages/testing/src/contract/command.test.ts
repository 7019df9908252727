import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { contractCommand } from './command.ts';
import { startLittleServer } from './wrong/little-server.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'contract-command-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function run(...args: string[]) {
  const said: Record<'out' | 'err', string[]> = { out: [], err: [] };
  const code = await contractCommand(args, {
    out: (text) => void said.out.push(text),
    err: (text) => void said.err.push(text),
  });
  return { code, out: said.out.join(''), err: said.err.join('') };
}

async function little(rules: Parameters<typeof startLittleServer>[0] = {}) {
  const server = await startLittleServer(rules);
  cleanups.push(server.close);
  const { url } = server.target;
  return ['--url', url ?? '', '--path', '/things', '--header', 'Authorization: Bearer alice'];
}

describe('the contract command', () => {
  test('ends with 0 where every case passes, and reports to people by default', async () => {
    const { code, out, err } = await run(...(await little()), '--only', 'S18', '--only', 'N8');
    expect(code).toBe(0);
    expect(out).toContain('1 passed, 0 failed, 6 skipped\n');
    expect(out).toContain('skipped N8-empty: the server cannot be asked for this answer: empty (answers)\n');
    expect(err).toContain('ok   1/7 S18: answers a repeated request with the first answer');
  });

  test('ends with 1 where a case fails, and says which, why and by whom it is asked for', async () => {
    const { code, out, err } = await run(
      ...(await little({ refusesOthers: false })),
      '--only',
      'S44',
      '--quiet',
    );
    expect(code).toBe(1);
    expect(out).toContain('FAILED S44: refuses a key that was used for another payload, and runs nothing\n');
    expect(out).toContain('instead of 422');
    expect(out).toContain('asked for by: S44; S34; S62; draft-07 §2.7; WIRE: key_reused\n');
    expect(err).toBe('');
  });

  test('reports JSON for programs', async () => {
    const { out } = await run(...(await little()), '--only', 'S18', '--only', 'S2', '--report', 'json');
    const { totals, results } = JSON.parse(out);
    expect(totals).toEqual({ passed: 1, failed: 0, skipped: 1 });
    expect(results[0]).toMatchObject({ id: 'S18', subject: 'replay', outcome: 'passed' });
    expect(results[1]).toMatchObject({ id: 'S2', outcome: 'skipped' });
  });

  test('reports JUnit into a file', async () => {
    const output = join(folder, 'report.xml');
    const server = await little({ refusesOthers: false });
    const { out } = await run(...server, '--only', 'S44', '--report', 'junit', '--output', output);
    expect(out).toBe('');
    const report = readFileSync(output, 'utf8');
    expect(report).toContain('<testsuites tests="1" failures="1" errors="0" skipped="0" ');
    expect(report).toContain('<testcase classname="payloads compared" name="S44: refuses a key');
    expect(report).toContain('<failure message="answered with 200 {&quot;id&quot;');
  });

  test('takes capabilities on and off', async () => {
    const server = await little();
    const args = ['--only', 'S46', '--only', 'S23', '--only', 'N8-zero', '--report', 'json'];
    const { out } = await run(...server, ...args, '--capability', 'memo', '--capability', 'no-replayMark');
    const found = JSON.parse(out).results.map((each: { id: string; outcome: string }) => [
      each.id,
      each.outcome,
    ]);
    expect(found).toEqual([
      ['S23', 'skipped'],
      ['N8-zero', 'skipped'],
      ['S46', 'passed'],
    ]);
  });

  test('reads everything else from a file: principals, templates of bodies, how to count effects', async () => {
    const [, url] = await little();
    const config = join(folder, 'contract.json');
    const body = {
      reference: '{{reference}}',
      amount: '{{amount}}',
      note: 'for {{reference}}',
      answer: '{{answer}}',
    };
    const principals = [{ authorization: 'Bearer alice' }, { authorization: 'Bearer bob' }];
    const capabilities = { answers: ['created'] };
    writeFileSync(config, JSON.stringify({ url, path: '/things', principals, body, capabilities }));
    const { code, out } = await run('--config', config, '--only', 'N10', '--only', 'S20', '--report', 'json');
    expect(JSON.parse(out).totals).toEqual({ passed: 4, failed: 0, skipped: 0 });
    expect(code).toBe(0);
  });

  test('leaves out of every request what tells principals apart: nobody is nobody', async () => {
    const config = join(folder, 'principals.json');
    const principals = [{ Authorization: 'Bearer alice' }, { Authorization: 'Bearer bob' }];
    writeFileSync(config, JSON.stringify({ principals }));
    const { code, out } = await run(
      ...(await little()),
      '--config',
      config,
      '--only',
      'W6',
      '--report',
      'json',
    );
    expect(JSON.parse(out).totals).toEqual({ passed: 1, failed: 0, skipped: 0 });
    expect(code).toBe(0);
  });

  test.each<[string, string[], string]>([
    ['no address', ['--path', '/x'], '--url is missing'],
    ['no path', ['--url', 'http://localhost:1'], '--path is missing'],
    [
      'an address that is none',
      ['--url', 'localhost', '--path', '/x'],
      '--url localhost is no http(s) address',
    ],
    ['an unknown option', ['--urll', 'x'], "Unknown option '--urll'"],
    ['an unknown report', ['--report', 'xml'], '--report is text or junit or json, not xml'],
    ['an unknown carrier', ['--carrier', 'soap'], '--carrier is http or trpc, not soap'],
    [
      'an unknown capability',
      ['--url', 'http://localhost:1', '--path', '/x', '--capability', 'flying'],
      '--capability flying is not known',
    ],
    [
      'a header that is none',
      ['--url', 'http://localhost:1', '--path', '/x', '--header', 'secret'],
      "--header secret: write it as 'Name: value'",
    ],
    ['a file that is not there', ['--config', '/nowhere.json'], '--config /nowhere.json: ENOENT'],
    ['no case', ['--url', 'http://localhost:1', '--path', '/x', '--only', 'Z1'], '--only Z1 names no case'],
  ])('ends with 2 and says what is wrong: %s', async (_, args, message) => {
    const { code, err, out } = await run(...args);
    expect(code).toBe(2);
    expect(err).toContain(message);
    expect(out).toBe('');
  });

  test.each<[unknown, string]>([
    [{ urll: 'x' }, 'there is no urll'],
    [
      { url: 'http://localhost:1', path: '/x', body: { a: '{{amuont}}' } },
      '{{amuont}} is nothing that a payload has',
    ],
    [{ capabilities: { flying: true } }, 'there is no capability flying'],
    [[], 'is not an object'],
  ])('ends with 2 for a file that says %j', async (content, message) => {
    const file = join(folder, 'wrong.json');
    writeFileSync(file, JSON.stringify(content));
    const { code, err } = await run('--config', file);
    expect(code).toBe(2);
    expect(err).toContain(message);
  });

  test('does not pass where every case was skipped', async () => {
    const { code, err } = await run(...(await little()), '--only', 'N30', '--quiet');
    expect(code).toBe(2);
    expect(err).toContain('every case was skipped');
  });

  test('a server that is not there fails every case', async () => {
    const { code, out } = await run(
      '--url',
      'http://127.0.0.1:1',
      '--path',
      '/x',
      '--only',
      'S18',
      '--quiet',
    );
    expect(code).toBe(1);
    expect(out).toContain('the connection broke');
  });
});

test('the program runs on plain Node, without loading a test runner', async () => {
  const server = await little();
  const program = new URL('../main.ts', import.meta.url).pathname;
  const child = spawn(
    process.execPath,
    ['--conditions=@semel/source', program, 'contract', ...server, '--only', 'S18', '--report', 'json'],
    { env: { ...process.env, NODE_DEBUG: 'module,esm' }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const [out, err, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  expect(code).toBe(0);
  expect(JSON.parse(out).totals).toEqual({ passed: 1, failed: 0, skipped: 0 });
  expect(err).toContain('transport.ts');
  expect(err).not.toMatch(/node_modules\/(?:\.pnpm\/)?(?:vitest|msw)@?/);
});
