import { randomBytes } from 'node:crypto';
import type { KeyRing } from '@semel/server';
import type { Claim } from '@semel/server/store';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { setStage } from '../testing/stage.ts';
import { runCommand } from '../testing/terminal.ts';

// What waits and was never dead: leased ones that lost their server, queued ones that no worker has begun, sealed ones.

const keyRing: KeyRing = { current: 'k1', keys: { k1: Buffer.from('0123456789abcdef0123456789abcdeX') } };
const inTheEnvironment = JSON.stringify({
  current: 'k1',
  keys: { k1: Buffer.from(keyRing.keys.k1 as Uint8Array).toString('base64') },
});

let stage: Awaited<ReturnType<typeof setStage>>;
let sealed: Awaited<ReturnType<typeof setStage>>;
beforeAll(async () => {
  [stage, sealed] = await Promise.all([setStage(), setStage({ keyRing })]);
  sealed.work();
});
afterAll(() => Promise.all([stage.close(), sealed.close()]));

const by = ['--as', 'alice', '--reason', 'ticket 1'];

async function claimed(key: string): Promise<Claim> {
  const id = randomBytes(12).toString('hex');
  const result = await stage.store.claim({
    scope: 'billing',
    procedure: 'invoice.pay',
    key,
    operationId: id,
    owner: id,
    fingerprint: 'v1:f',
    trace: { actor: 'request' },
    policy: {
      mode: 'leased',
      onCrash: 'suspend',
      leaseMs: 1,
      maxRunMs: 1000,
      maxAttempts: 5,
      downstreamWindowMs: 60_000,
      ttlMs: 60_000,
    },
  });
  if (!result.won) throw new Error(`${key} was claimed before`);
  return result.claim;
}

/** A leased operation whose server died after it was claimed. */
async function suspended(key: string): Promise<string> {
  const { operationId: id } = await claimed(key);
  const swept = async () => {
    await stage.store.sweepOrphans({ limit: 100, trace: { actor: 'recovery' } });
    return stage.state(id);
  };
  await expect.poll(swept).toBe('suspended');
  return id;
}

test('a leased operation that is suspended is released, and its caller runs it', async () => {
  const id = await suspended('inv-1');
  expect(await stage.state(id)).toBe('suspended');
  const listed = await stage.cli(['operations', 'list', '--procedure', 'invoice.pay']);
  expect(listed.stdout).toMatch(new RegExp(`^${id} +suspended `, 'm'));
  const shown = await stage.cli(['operations', 'show', id]);
  const [, seen = ''] =
    new RegExp(`semel operations release ${id} --seen (\\d+) --reason`).exec(shown.stdout) ?? [];
  expect(seen).not.toBe('');
  const stale = await stage.cli(['operations', 'release', id, '--seen', `${Number(seen) - 1}`, ...by]);
  expect(stale.code).toBe(1);
  expect(stale.stderr).toContain(
    `it was version ${Number(seen) - 1}, and is ${seen}. Nothing was changed. Look again: semel operations show ${id}`,
  );
  expect(await stage.state(id)).toBe('suspended');
  const released = await stage.cli(['operations', 'release', id, '--seen', seen, ...by]);
  expect(released).toMatchObject({
    code: 0,
    stdout: `${id} invoice.pay is released: the caller's next retry runs it\n`,
  });
  const again = await stage.cli(['operations', 'release', id, ...by]);
  expect(again.code).toBe(1);
  expect(again.stderr).toContain(
    `${id} is released, so it can't be released. It was released by operator:alice`,
  );
});

test('of a suspended attempt that said something it is shown what to ask the other side by, before it may run again', async () => {
  const claim = await claimed('inv-4');
  const lastError = JSON.stringify({ text: 'socket hang up', step: 'charge' });
  const end = { to: 'suspended', cause: 'outcome_unknown', lastError } as const;
  await stage.store.settle(claim, end, { actor: 'request' });
  const show = ['operations', 'show', claim.operationId];
  const key: string = JSON.parse((await stage.cli([...show, '--json'])).stdout).operation.failedStep.childKey;
  const { stdout } = await stage.cli(show);
  expect(stdout).toMatch(/last error +step 'charge': socket hang up\n/);
  const advice = stdout.slice(stdout.indexOf('What can be done'), stdout.indexOf('Claimed under'));
  expect(advice).toContain(`Ask the other side, which knows step 'charge' by ${key}. Then`);
  expect(advice.indexOf(key)).toBeLessThan(advice.indexOf('semel operations release'));
  const listed = await stage.cli(['operations', 'list', '--procedure', 'invoice.pay']);
  expect(listed.stdout).toContain("step 'charge': socket hang up");
  expect((await stage.cli(['operations', 'release', claim.operationId, ...by])).code).toBe(0);
});

test('redrive of a leased one does the same; cancel of it is refused with what to do instead', async () => {
  const id = await suspended('inv-2');
  const refused = await stage.cli(['operations', 'cancel', id, ...by]);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain(`It may have had effects, so say what became of it: resolve ${id}`);
  expect((await stage.cli(['operations', 'redrive', id, ...by])).stdout).toContain('is released');
});

test('leased ones are redriven together where there is no queue at all, and queued ones are left as they are', async () => {
  const id = await suspended('inv-3');
  const connection = ['--database', stage.url, '--schema', stage.schema, '--jobs-schema', 'nowhere'];
  const all = ['operations', 'redrive', '--all', '--state', 'suspended', '--procedure', 'invoice.pay'];
  const ended = await runCommand([...all, ...by, ...connection]);
  expect(ended).toMatchObject({ code: 0, stdout: '1 operation redriven\n' });
  expect(await stage.state(id)).toBe('released');
  const dead = await runCommand(['operations', 'redrive', '--all', ...by, ...connection]);
  expect(dead.code).toBe(2);
  expect(dead.stderr).toContain('There is no queue semel in the schema nowhere: there is no such schema');
});

test('what no worker has started is cancelled; what one has is not', async () => {
  const id = await stage.accept('payout-1');
  const { code, stdout } = await stage.cli(['operations', 'cancel', id, '--json', ...by]);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ kind: 'done', operation: { operationId: id, state: 'failed' } });
  const waits = await stage.accept('payout-2');
  const redriven = await stage.cli(['operations', 'redrive', waits, ...by]);
  expect(redriven.code).toBe(1);
  expect(redriven.stderr).toContain('A worker takes it when it is due.');
});

test('without --as the name on this machine is written down', async () => {
  const id = await stage.accept('payout-3');
  await stage.cli(['operations', 'cancel', id, '--reason', 'r']);
  const { decisions } = JSON.parse((await stage.cli(['operations', 'show', id, '--json'])).stdout);
  expect(decisions[0].actor).toMatch(/^operator:.+/);
});

test('a sealed operation is shown but for its words, redriven without a key, and resolved only with it', async () => {
  const id = await sealed.accept('secret-1');
  await expect.poll(() => sealed.state(id), { timeout: 10_000 }).toBe('dead');
  const blind = await sealed.cli(['operations', 'show', id]);
  expect(blind.stdout).toContain("under key k1, which isn't here: last error and progress can't be shown");
  expect(blind.stdout).not.toContain('the provider is down');
  expect(blind.stdout).toMatch(/last error +\(sealed\)\n/);
  expect((await sealed.cli(['operations', 'list'])).stdout).toMatch(new RegExp(`${id} .* \\(sealed\\)\\n`));

  const resolve = ['operations', 'resolve', id, '--completed', '{"sent":1}', ...by];
  const refused = await sealed.cli(resolve);
  expect(refused).toMatchObject({ code: 2, stdout: '' });
  expect(refused.stderr).toContain(`${id} is sealed under key k1, which isn't here`);
  const other = JSON.stringify({
    current: 'k2',
    keys: { k2: Buffer.alloc(32, 'another one').toString('base64') },
  });
  const wrong = await sealed.cli(resolve, { env: { SEMEL_KEY_RING: other } });
  expect(wrong.stderr).toContain("which the key ring doesn't have");
  expect(await sealed.state(id)).toBe('dead');

  expect((await sealed.cli(['operations', 'redrive', id, ...by])).code).toBe(0);
  await expect.poll(() => sealed.state(id), { timeout: 10_000 }).toBe('dead');

  const env = { SEMEL_KEY_RING: inTheEnvironment };
  const shown = await sealed.cli(['operations', 'show', id], { env });
  expect(shown.stdout).toMatch(/last error +step 'send': the provider is down/);
  expect((await sealed.cli(resolve, { env })).code).toBe(0);
  // What callers get is sealed as well, under a key that servers have.
  const { outcome } = (await sealed.store.find(id))?.record ?? {};
  expect(outcome).toMatch(/^sealed1:k1:/);
});

test('a key ring that is none is said, without its bytes', async () => {
  const { code, stderr } = await sealed.cli(['operations', 'list'], {
    env: { SEMEL_KEY_RING: JSON.stringify({ current: 'k1', keys: { k1: 'c2VjcmV0' } }) },
  });
  expect(code).toBe(2);
  expect(stderr).toContain("key 'k1' has 6 bytes, not 32");
  expect(stderr).not.toContain('c2VjcmV0');
});

test('--config gives the store, and anything else that it exports', async () => {
  const { code, stdout, stderr } = await stage.cli([
    'operations',
    'list',
    '--json',
    '--config',
    'memory.fixture.ts',
  ]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(JSON.parse(stdout).operations).toEqual([]);
  const none = await stage.cli(['operations', 'list', '--config', 'terminal.ts']);
  expect(none.stderr).toContain('terminal.ts exports none of database, schema, redis');
});
