import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureRedis, type Service } from '@semel/dev-services';
import { createSemel } from '@semel/server';
import { createRedisLayer } from '@semel/store-redis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { setStage } from '../testing/stage.ts';

let stage: Awaited<ReturnType<typeof setStage>>;
let redis: Service;
beforeAll(async () => {
  [stage, redis] = await Promise.all([setStage(), ensureRedis()]);
});
afterAll(async () => {
  await Promise.all([stage.close(), redis.stop()]);
});

const by = ['--as', 'alice', '--reason', 'erasure request 4711'];

/** Runs something once for a principal, by a server that keeps answers in Redis; gives what a retry is told. */
async function ask(scope: string, prefix: string): Promise<unknown> {
  const layer = createRedisLayer({ connection: redis.url, prefix, timeoutMs: 2000 });
  await layer.ready();
  const semel = createSemel({ store: stage.store, layers: [layer], recovery: false });
  try {
    const done = await semel.run(
      { scope, name: 'diagnose', key: 'visit-1', input: 1, mode: 'atomic' },
      async () => 'F32.1',
    );
    return done.kind === 'completed' ? done.value : done.kind === 'refused' && done.problem.code;
  } finally {
    await semel.close();
    await layer.close();
  }
}

test('what is purged is gone from Postgres and from Redis, and who did it and why is kept', async () => {
  const prefix = `${stage.schema}:`;
  expect(await ask('erika', prefix)).toBe('F32.1');
  expect(await ask('erika', prefix)).toBe('F32.1');
  const args = ['operations', 'purge', '--principal', 'erika', '--yes', ...by];
  const { code, stdout } = await stage.cli([...args, '--redis', redis.url, '--redis-prefix', prefix]);
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: '1 operation purged\nRedis has forgotten them too.\n',
  });
  expect(await ask('erika', prefix)).toBe('outcome_gone');
  const [row] = (await stage.pool.query(`SELECT actor, reason FROM ${stage.schema}.purge`)).rows;
  expect(row).toEqual({ actor: 'operator:alice', reason: 'erasure request 4711' });
});

test('the layers of a config file are told too', async () => {
  const prefix = `${stage.schema}:config:`;
  expect(await ask('willi', prefix)).toBe('F32.1');
  const folder = mkdtempSync(join(import.meta.dirname, '../testing/.generated-'));
  try {
    writeFileSync(
      join(folder, 'semel.config.ts'),
      `import { createRedisLayer } from '@semel/store-redis';
       export const layers = [createRedisLayer({ connection: '${redis.url}', prefix: '${prefix}' })];`,
    );
    const args = [
      'operations',
      'purge',
      '--principal',
      'willi',
      '--yes',
      '--config',
      'semel.config.ts',
      ...by,
    ];
    const { code, stdout } = await stage.cli(args, { cwd: folder });
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: '1 operation purged\nRedis has forgotten them too.\n',
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  expect(await ask('willi', prefix)).toBe('outcome_gone');
});

test('without Redis it says what that leaves', async () => {
  await ask('max', 'other:');
  const { code, stdout } = await stage.cli(['operations', 'purge', '--scope', 'max', '--yes', ...by]);
  expect(code).toBe(0);
  expect(stdout).toContain(
    "1 operation purged\nRedis wasn't asked: if your servers use one, it may replay answers",
  );
});

test('a Redis that does not answer keeps the purge from beginning', async () => {
  await ask('moritz', 'other:');
  const args = ['operations', 'purge', '--scope', 'moritz', '--yes', ...by, '--redis', 'redis://127.0.0.1:1'];
  const { code, stderr } = await stage.cli(args);
  expect(code).toBe(2);
  expect(stderr).toContain(
    "Redis doesn't answer, and what is purged would live on in it for up to an hour. Nothing was purged.",
  );
  expect(await ask('moritz', 'other:')).toBe('F32.1');
});

test('what is not settled is left alone, named, and 1; one operation needs no --yes', async () => {
  const id = await stage.accept('payout-1');
  const { code, stdout } = await stage.cli(['operations', 'purge', '--operation', id, '--json', ...by]);
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toEqual({ purged: 0, unsettled: 1, unsettledIds: [id], redis: 'not_asked' });
});
