import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createProviderSim } from './provider-sim.ts';
import { errorOf, pay, stripeFor } from './testing.ts';

let directory: string;
let dataFile: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'provider-sim-'));
  dataFile = join(directory, 'new', 'charges.jsonl');
});
afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => kill(child)));
  rmSync(directory, { recursive: true });
});

const startProcess = async (env: Record<string, string>) => {
  const main = fileURLToPath(new URL('./main.ts', import.meta.url));
  const child = spawn(process.execPath, [main], {
    env: { ...process.env, PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  children.push(child);
  if (!child.stdout) throw new Error('no standard output');
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  const said = JSON.parse(String(line));
  expect(said.ready).toBe(true);
  const { hostname, port } = new URL(said.url);
  return { child, host: hostname, port: Number(port), url: String(said.url) };
};
const kill = async (child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL') => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
};
const chargesAt = (url: string) => fetch(`${url}/_sim/charges`).then((r) => r.json());

test('a killed simulator has lost no charge and no remembered answer', async () => {
  const first = await startProcess({ DATA_FILE: dataFile });
  const stripe = stripeFor(first);
  const intent = await pay(stripe, 'cus_ok', 'paid');
  const declined = await errorOf(pay(stripe, 'cus_declined', 'declined'));
  await errorOf(pay(stripe, 'cus_5xx', 'failed once'));
  await errorOf(pay(stripe, 'cus_lost', 'lost'));
  const counted = await chargesAt(first.url);
  await kill(first.child);

  const second = await startProcess({ DATA_FILE: dataFile });
  expect(await chargesAt(second.url)).toEqual(counted);
  expect(counted).toHaveLength(2);
  const retry = stripeFor(second);
  const replay = await pay(retry, 'cus_ok', 'paid');
  expect(replay).toEqual(intent);
  expect(replay.lastResponse.headers['idempotent-replayed']).toBe('true');
  const refusal = await errorOf(pay(retry, 'cus_declined', 'declined'));
  expect(refusal.payment_intent?.id).toBe(declined.payment_intent?.id);
  expect((await pay(retry, 'cus_lost', 'lost')).status).toBe('succeeded'); // lost once, also across the restart
  await errorOf(pay(retry, 'cus_5xx', 'failed once'));
  expect((await pay(retry, 'cus_5xx', 'failed once')).status).toBe('succeeded');
  expect(await chargesAt(second.url)).toHaveLength(3);
});

test('killed in the middle of a storm, it counts every charge that a client saw, once', async () => {
  const first = await startProcess({ DATA_FILE: dataFile });
  const stripe = stripeFor(first);
  const seen: string[] = [];
  const keys = Array.from({ length: 200 }, (_, i) => `k${i}`);
  const waiting = keys.values();
  const client = async () => {
    for (const key of waiting) {
      const intent = await pay(stripe, 'cus_ok', key).catch(() => undefined);
      if (intent && seen.push(key) === 20) first.child.kill('SIGKILL');
      if (first.child.killed) return;
    }
  };
  await Promise.all(Array.from({ length: 10 }, client));
  await kill(first.child);
  expect(seen.length).toBeGreaterThanOrEqual(20);
  expect(seen.length).toBeLessThan(200); // otherwise the kill came too late to show anything

  const second = await startProcess({ DATA_FILE: dataFile });
  const counted: { idempotencyKey: string }[] = await chargesAt(second.url);
  const countedKeys = counted.map((charge) => charge.idempotencyKey);
  expect(seen.filter((key) => !countedKeys.includes(key))).toEqual([]);
  const retry = stripeFor(second, { maxNetworkRetries: 2 });
  await Promise.all(keys.map((key) => pay(retry, 'cus_ok', key)));
  const after: { idempotencyKey: string }[] = await chargesAt(second.url);
  expect(after.map((charge) => charge.idempotencyKey).sort()).toEqual([...keys].sort());
});

test('a last line that was cut in the middle is as if it had never been', async () => {
  const first = await createProviderSim({ dataFile });
  await pay(stripeFor(first), 'cus_ok', 'whole');
  await first.close();
  const whole = readFileSync(dataFile, 'utf8');
  appendFileSync(dataFile, whole.slice(0, 60));
  const second = await createProviderSim({ dataFile });
  expect(await second.charges()).toHaveLength(1);
  await pay(stripeFor(second), 'cus_ok', 'next');
  await second.close();
  const third = await createProviderSim({ dataFile });
  expect((await third.charges()).map((charge) => charge.idempotencyKey)).toEqual(['whole', 'next']);
  await third.close();
});

test('with a seed, ids do not repeat after a restart', async () => {
  const ids: string[] = [];
  for (const key of ['a', 'b']) {
    const sim = await createProviderSim({ dataFile, seed: 's' });
    ids.push((await pay(stripeFor(sim), 'cus_ok', key)).id);
    await sim.close();
  }
  expect(ids[0]).not.toBe(ids[1]);
});

test('SIGTERM ends it with 0', async () => {
  const { child } = await startProcess({ DATA_FILE: dataFile });
  await kill(child, 'SIGTERM');
  expect(child.exitCode).toBe(0);
});

test('it ends when the process that started it lets go of it', async () => {
  const { child } = await startProcess({});
  const exited = once(child, 'exit');
  child.disconnect();
  expect((await exited)[0]).toBe(0);
});

test('wrong settings are named, all at once', async () => {
  const main = fileURLToPath(new URL('./main.ts', import.meta.url));
  const child = spawn(process.execPath, [main], { env: { ...process.env, PORT: 'x', SLOW_MS: '-1' } });
  children.push(child);
  let text = '';
  child.stderr.on('data', (part) => {
    text += part;
  });
  const [code] = await once(child, 'close');
  expect(code).toBe(1);
  expect(text).toContain('PORT');
  expect(text).toContain('SLOW_MS');
});
