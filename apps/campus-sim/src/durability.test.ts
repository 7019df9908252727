import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createCampusService, type ServiceName } from './campus-service.ts';
import { get, order, post, put } from './testing.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
let directory: string;
let dataFile: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'campus-sim-'));
  dataFile = join(directory, 'new', 'journal.jsonl');
});
afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => kill(child)));
  rmSync(directory, { recursive: true });
});

const startProcess = async (service: ServiceName) => {
  const child = spawn(process.execPath, [MAIN, '--service', service], {
    env: { ...process.env, PORT: '0', DATA_FILE: dataFile },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  children.push(child);
  if (!child.stdout) throw new Error('no standard output');
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  const said = JSON.parse(String(line)) as { ready: boolean; url: string };
  expect(said.ready).toBe(true);
  return { child, url: said.url };
};
const kill = async (child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL') => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
};

test('a killed billing has lost no invoice, no hold, no remembered answer and no refusal', async () => {
  const first = await startProcess('billing');
  const paid = await post(`${first.url}/invoices`, order(), 'k');
  await put(`${first.url}/_sim/holds`, { school: 'acme', studentId: 'bob', on: true });
  const refused = await post(`${first.url}/invoices`, order({ studentId: 'bob' }), 'r');
  const counted = await get(`${first.url}/_sim/invoices`);
  await kill(first.child);

  const second = await startProcess('billing');
  expect(await get(`${second.url}/_sim/invoices`)).toStrictEqual(counted);
  expect(await post(`${second.url}/invoices`, order(), 'k')).toStrictEqual({ ...paid, isReplay: true });
  expect(await post(`${second.url}/invoices`, order({ studentId: 'bob' }), 'r')).toStrictEqual({
    ...refused,
    isReplay: true,
  });
  expect(refused.status).toBe(402);
  expect((await post(`${second.url}/invoices`, order({ studentId: 'bob' }), 'n')).status).toBe(402);
});

test('killed in the middle of a storm, the roster counts every seat that a caller saw, once', async () => {
  const first = await startProcess('roster');
  await put(`${first.url}/_sim/courses`, { courseId: 'algebra', capacity: 1_000 });
  const seen: string[] = [];
  const keys = Array.from({ length: 200 }, (_, i) => `k${i}`);
  const take = (url: string, key: string) =>
    post(`${url}/seats`, order({ studentId: key, reference: key }), key);
  const waiting = keys.values();
  const caller = async () => {
    for (const key of waiting) {
      const answer = await take(first.url, key).catch(() => undefined);
      if (answer?.status === 201 && seen.push(key) === 20) first.child.kill('SIGKILL');
      if (first.child.killed) return;
    }
  };
  await Promise.all(Array.from({ length: 10 }, caller));
  await kill(first.child);
  expect(seen.length).toBeGreaterThanOrEqual(20);
  expect(seen.length).toBeLessThan(200); // otherwise the kill came too late to show anything

  const second = await startProcess('roster');
  const counted: { idempotencyKey: string }[] = await get(`${second.url}/_sim/seats`);
  const countedKeys = counted.map(({ idempotencyKey }) => idempotencyKey);
  expect(seen.filter((key) => !countedKeys.includes(key))).toStrictEqual([]);
  await Promise.all(keys.map((key) => take(second.url, key)));
  const after: { idempotencyKey: string; seat: number }[] = await get(`${second.url}/_sim/seats`);
  expect(after.map(({ idempotencyKey }) => idempotencyKey).sort()).toStrictEqual([...keys].sort());
  expect(new Set(after.map(({ seat }) => seat)).size).toBe(200);
});

test('a last line that was cut in the middle is as if it had never been', async () => {
  const first = await createCampusService('billing', { dataFile });
  await post(`${first.url}/invoices`, order(), 'whole');
  await first.close();
  appendFileSync(dataFile, readFileSync(dataFile, 'utf8').slice(0, 60));
  const second = await createCampusService('billing', { dataFile });
  expect(await get(`${second.url}/_sim/invoices`)).toHaveLength(1);
  await post(`${second.url}/invoices`, order(), 'next');
  await second.close();
  const third = await createCampusService('billing', { dataFile });
  expect(await get(`${third.url}/_sim/invoices`)).toMatchObject([
    { idempotencyKey: 'whole' },
    { idempotencyKey: 'next' },
  ]);
  await third.close();
});

test('SIGTERM ends it with 0, also while an answer is late', async () => {
  const { child, url } = await startProcess('billing');
  await fetch(`${url}/_sim/faults`, { method: 'POST', body: '{"delayMs":600000}' });
  const late = post(`${url}/invoices`, order(), 'k').catch(() => 'cut');
  while ((await get(`${url}/_sim/invoices`)).length === 0);
  await kill(child, 'SIGTERM');
  expect([child.exitCode, await late]).toStrictEqual([0, 'cut']);
});

test('it ends when the process that started it lets go of it', async () => {
  const { child } = await startProcess('roster');
  const exited = once(child, 'exit');
  child.disconnect();
  expect((await exited)[0]).toBe(0);
});

test('wrong settings are named, all at once', async () => {
  const failed = await promisify(execFile)(process.execPath, [MAIN, '--service', 'canteen'], {
    env: { ...process.env, PORT: 'x', CAPACITY: '-1' },
  }).catch((error: unknown) => error as { code: number; stderr: string });
  expect(failed).toMatchObject({ code: 1 });
  for (const name of ['--service', 'PORT', 'CAPACITY']) expect(failed.stderr).toContain(name);
});
