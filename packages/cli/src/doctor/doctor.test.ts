import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPostgresStore } from '@semel/store-postgres';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type RedisServer, startRedisServer } from '../testing/redis-server.ts';
import { setStage } from '../testing/stage.ts';
import { runCommand } from '../testing/terminal.ts';
import type { Check } from './check.ts';

let stage: Awaited<ReturnType<typeof setStage>>;
let redis: RedisServer;
beforeAll(async () => {
  [stage, redis] = await Promise.all([setStage(), startRedisServer()]);
});
afterAll(async () => {
  await Promise.all([stage.close(), redis.stop()]);
});

async function checks(...args: string[]): Promise<{ code: number; by: Map<string, Check> }> {
  const { code, stdout, stderr } = await stage.cli(['doctor', '--json', ...args]);
  expect(stderr).toBe('');
  const report = JSON.parse(stdout) as { ok: boolean; checks: Check[] };
  expect(report.ok).toBe(code === 0);
  return { code, by: new Map(report.checks.map((check) => [check.name, check])) };
}

test('says of each thing that it is well, in a line', async () => {
  const { code, stdout } = await stage.cli(['doctor', '--redis', redis.url]);
  expect(stdout).toMatch(/^✓ postgres\.reachable +postgres:\/\/postgres@/);
  expect(stdout).toMatch(/^✓ postgres\.pooler +none: connected directly$/m);
  expect(stdout).toMatch(/^✓ schema +cli_\w+, 5 migrations, unchanged$/m);
  expect(stdout).toMatch(/^✓ rights +postgres may read and write every table$/m);
  expect(stdout).toMatch(/^✓ queue\.version +cli_\w+_jobs has version 43, as pg-boss here$/m);
  expect(stdout).toMatch(/^✓ redis\.layer +answers under semel:$/m);
  expect(stdout).toMatch(/^✓ redis\.clock +as this machine’s$/m);
  expect(stdout).not.toContain('✗');
  expect(code).toBe(0);
});

test('every check has a name, and what is not right has a reason and a way out', async () => {
  const { by } = await checks('--redis', redis.url);
  for (const check of by.values()) {
    const needsMore = check.status === 'warning' || check.status === 'wrong';
    expect([check.name, typeof check.why === 'string', typeof check.fix === 'string']).toEqual([
      check.name,
      needsMore,
      needsMore,
    ]);
  }
});

test('a database that does not answer is the one thing said of Postgres, without its password', async () => {
  const { code, stdout } = await runCommand(['doctor', '--database', 'postgres://me:hunter2@127.0.0.1:1/x']);
  expect(code).toBe(1);
  expect(stdout).toContain('✗ postgres.reachable  postgres://me:***@127.0.0.1:1/x: nothing listens there');
  expect(stdout).not.toContain('hunter2');
});

test('a schema without tables, an old, a newer and a changed one are told apart', async () => {
  const asked = await runCommand(['doctor', '--schema', 'nothing_here'], { env: stage.env });
  expect(asked.code).toBe(1);
  expect(asked.stdout).toContain(
    "✗ schema                       nothing_here has none of the store's tables",
  );
  expect(asked.stdout).toContain('· rights                       not looked at: the schema comes first');
  await stage.pool.query(
    `INSERT INTO ${stage.schema}.migration (id, name, checksum) VALUES (99, 'future', 'x')`,
  );
  expect((await checks()).by.get('schema')).toMatchObject({
    status: 'wrong',
    found: expect.stringContaining('newer'),
  });
  await stage.pool.query(`DELETE FROM ${stage.schema}.migration WHERE id = 99`);
});

describe('a role of its own', () => {
  const role = `doctor_${process.pid}`;
  const loginUrl = () => {
    const there = new URL(inject('databaseUrl'));
    there.username = role;
    return there.href;
  };
  beforeAll(() => stage.pool.query(`CREATE ROLE ${role} LOGIN`));
  afterAll(() => stage.pool.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`));
  const asRole = async () => {
    const args = ['doctor', '--json', '--schema', stage.schema, '--jobs-schema', stage.jobsSchema];
    const { stdout } = await runCommand([...args, '--database', loginUrl()]);
    return new Map((JSON.parse(stdout) as { checks: Check[] }).checks.map((check) => [check.name, check]));
  };

  test('is told what it may not do, and with what doctor asks for a store works', async () => {
    const { schema } = stage;
    await stage.pool.query(
      `GRANT USAGE ON SCHEMA ${schema} TO ${role}; GRANT SELECT ON ${schema}.migration TO ${role}`,
    );
    const before = (await asRole()).get('rights');
    expect(before).toMatchObject({
      status: 'wrong',
      found: expect.stringContaining(`${role} lacks SELECT on`),
    });
    for (const [table, rights] of Object.entries({
      operation: 'SELECT, INSERT, UPDATE, DELETE',
      transition: 'SELECT, INSERT, DELETE',
      step: 'SELECT, INSERT, DELETE',
      rejected_transition: 'SELECT, INSERT, UPDATE, DELETE',
      purge: 'SELECT, INSERT',
      work: 'SELECT, INSERT, UPDATE, DELETE',
      progress: 'SELECT, INSERT, UPDATE, DELETE',
      decision: 'SELECT, INSERT, DELETE',
      attention: 'SELECT, INSERT, UPDATE, DELETE',
      sweep: 'SELECT, UPDATE',
    })) {
      await stage.pool.query(`GRANT ${rights} ON ${schema}.${table} TO ${role}`);
    }
    expect((await asRole()).get('rights')).toMatchObject({ status: 'ok' });
    const store = createPostgresStore({ connection: loginUrl(), schema });
    try {
      expect(await everythingOnce(store)).toBe('done');
    } finally {
      await store.close();
    }
  });

  test('whose settings lose commits, or read only, is told so', async () => {
    await stage.pool.query(
      `ALTER ROLE ${role} SET synchronous_commit = off; ALTER ROLE ${role} SET default_transaction_isolation = 'serializable';
       ALTER ROLE ${role} SET statement_timeout = '500ms'; ALTER ROLE ${role} SET default_transaction_read_only = on;
       ALTER ROLE ${role} CONNECTION LIMIT 15`,
    );
    const by = await asRole();
    expect(by.get('postgres.synchronous_commit')?.status).toBe('wrong');
    expect(by.get('postgres.primary')?.status).toBe('wrong');
    expect(by.get('postgres.isolation')?.status).toBe('warning');
    expect(by.get('postgres.statement_timeout')).toMatchObject({ status: 'warning', found: '500 ms' });
    expect(by.get('postgres.connections')).toMatchObject({
      status: 'wrong',
      found: expect.stringMatching(/^15 usable, \d+ in use, 20 for 1 server with default pools$/),
    });
  });
});

test('more servers than connections are told before they are started', async () => {
  expect((await checks('--servers', '1000')).by.get('postgres.connections')?.status).toBe('wrong');
});

test('an index on what every settlement changes is found', async () => {
  await stage.pool.query(
    `CREATE INDEX by_state ON ${stage.schema}.operation (state) WHERE state = 'processing'`,
  );
  expect((await checks()).by.get('table.hot')).toMatchObject({
    status: 'warning',
    fix: `DROP INDEX ${stage.schema}.by_state.`,
  });
  await stage.pool.query(`DROP INDEX ${stage.schema}.by_state`);
  expect((await checks()).by.get('table.hot')?.status).toBe('ok');
});

test('what waits is shown; work that nobody takes, dead letters and sweeps that stand still are warned of', async () => {
  const id = await stage.accept('old');
  expect((await checks()).by.get('backlog.queued')).toMatchObject({ status: 'ok' });
  await stage.pool.query(`UPDATE ${stage.schema}.work SET due_at = due_at - interval '10 minutes'`);
  expect((await checks()).by.get('backlog.queued')).toMatchObject({
    status: 'warning',
    found: '1 operation, the oldest due for 10 min (payouts.send)',
  });
  expect((await checks()).by.get('queue.jobs')?.found).toBe('1 waiting, 0 at work');

  stage.work();
  await expect.poll(() => stage.state(id), { timeout: 10_000 }).toBe('dead');
  expect((await checks()).by.get('backlog.dead')).toMatchObject({
    status: 'warning',
    found: expect.stringMatching(/^1 operation, the oldest for .* \(payouts\.send\)$/),
  });

  expect((await checks()).by.get('sweeps.orphans')?.status).toBe('ok');
  await stage.pool.query(`UPDATE ${stage.schema}.operation SET claimed_at = claimed_at - interval '1 hour'`);
  const still = await checks();
  expect(still.by.get('sweeps.orphans')).toMatchObject({ status: 'wrong', found: '60 min behind' });
  expect(still.code).toBe(1);
  await stage.store.sweepOrphans({ limit: 100, trace: { actor: 'recovery' } });
  expect((await checks()).by.get('sweeps.orphans')?.status).toBe('ok');
});

test('a queue that is elsewhere is said', async () => {
  await stage.accept('waits', 'bob');
  const args = ['doctor', '--json', '--schema', stage.schema, '--jobs-schema', 'nowhere'];
  const { checks: found } = JSON.parse((await runCommand(args, { env: stage.env })).stdout) as {
    checks: Check[];
  };
  expect(found.find(({ name }) => name === 'queue')).toMatchObject({
    status: 'wrong',
    found: 'there is no schema nowhere, but operations are queued',
  });
  expect((await checks('--queue', 'other')).by.get('queue.jobs')).toMatchObject({
    status: 'wrong',
    found: `there is no queue other in ${stage.jobsSchema}, but semel`,
  });
});

describe('Redis', () => {
  const look = async () => (await checks('--redis', redis.url)).by;

  test('none at all is no fault; one that is away is', async () => {
    expect((await checks()).by.get('redis')).toMatchObject({ status: 'skipped' });
    const away = await checks('--redis', 'redis://me:hunter2@127.0.0.1:1');
    expect(away.by.get('redis.reachable')).toMatchObject({
      status: 'wrong',
      found: expect.stringContaining('redis://me:***@127.0.0.1:1: nothing listens there'),
    });
  });

  test.each([
    ['noeviction', '0', 'warning'],
    ['noeviction', '100mb', 'warning'],
    ['volatile-lru', '100mb', 'ok'],
    ['allkeys-lru', '100mb', 'ok'],
  ])('%s with maxmemory %s is %s', async (policy, limit, status) => {
    await redis.admin.config('SET', 'maxmemory', limit);
    await redis.admin.config('SET', 'maxmemory-policy', policy);
    expect((await look()).get('redis.eviction')).toMatchObject({
      status,
      found: expect.stringContaining(`${policy}, maxmemory`),
    });
    await redis.admin.config('SET', 'maxmemory', '0');
  });

  test('the nodes of a Cluster are given as such; one of them alone is found out', async () => {
    const cluster = await startCluster();
    try {
      const alone = await checks('--redis', cluster.url);
      expect(alone.by.get('redis.mode')?.status).toBe('wrong');
      const by = (await checks('--config', cluster.config)).by;
      expect(by.get('redis.mode')).toMatchObject({ status: 'ok', found: 'cluster' });
      expect(by.get('redis.layer')?.status).toBe('ok');
    } finally {
      await cluster.stop();
    }
  });

  test('a replica is no use', async () => {
    await redis.admin.replicaof('127.0.0.1', 1);
    const by = await look();
    expect(by.get('redis.role')?.status).toBe('wrong');
    expect(by.get('redis.layer')?.status).toBe('warning');
    await redis.admin.replicaof('NO', 'ONE');
    expect((await look()).get('redis.layer')?.status).toBe('ok');
  });
});

const bouncerFile = new URL('../../../store-postgres/src/testing/pgbouncer.ts', import.meta.url);
test.skipIf(!existsSync(bouncerFile))(
  'PgBouncer in transaction mode is found out, and what it needs',
  async (context) => {
    const { startPgBouncer } = (await import(bouncerFile.href)) as {
      startPgBouncer(url: string): Promise<{ url: string; stop(): Promise<void> } | string>;
    };
    const bouncer = await startPgBouncer(stage.url);
    if (typeof bouncer === 'string') return context.skip(bouncer);
    try {
      const args = ['doctor', '--json', '--schema', stage.schema, '--database', bouncer.url];
      const { checks: found } = JSON.parse((await runCommand(args)).stdout) as { checks: Check[] };
      const pooler = found.find(({ name }) => name === 'postgres.pooler');
      expect(pooler?.found).toMatch(
        /^in transaction mode, and it (carries|does not carry) prepared statements$/,
      );
      expect(found.filter(({ found: text }) => text.includes('could not be looked at'))).toEqual([]);
      const listed = await runCommand([
        'operations',
        'list',
        '--schema',
        stage.schema,
        '--database',
        bouncer.url,
      ]);
      expect(listed).toMatchObject({ code: 0, stderr: '' });
    } finally {
      await bouncer.stop();
    }
  },
);

/** A Cluster of one node, and a config file that names it. */
async function startCluster() {
  const server = await startRedisServer('--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1');
  await server.admin.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
  await expect
    .poll(() => server.admin.call('CLUSTER', 'INFO'), { timeout: 10_000 })
    .toContain('cluster_state:ok');
  const folder = mkdtempSync(join(tmpdir(), 'semel-config-'));
  const config = join(folder, 'semel.config.mjs');
  writeFileSync(config, `export const redis = { cluster: [{ host: '127.0.0.1', port: ${server.port} }] };\n`);
  return {
    url: server.url,
    config,
    async stop() {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Each of the store's writes, once. */
async function everythingOnce(store: ReturnType<typeof createPostgresStore>): Promise<string> {
  const trace = { actor: 'request' };
  const policy = {
    mode: 'leased',
    onCrash: 'suspend',
    leaseMs: 1,
    maxRunMs: 1000,
    maxAttempts: 5,
    downstreamWindowMs: 60_000,
    ttlMs: 60_000,
  } as const;
  const made = (n: number, over: object = {}) => ({
    scope: 'rights',
    procedure: 'p',
    key: `k${n}`,
    operationId: `rights-${n}`,
    owner: `o${n}`,
    fingerprint: 'v1:f',
    policy,
    trace,
    ...over,
  });
  const won = await store.claim(made(1));
  if (!won.won) throw new Error('not won');
  await store.renew([won.claim]);
  await store.recordStep(
    won.claim,
    { name: 's', kind: 'step', fingerprint: '', result: '1', attempt: 1 },
    trace,
  );
  await store.settle(won.claim, { to: 'completed', cause: 'succeeded', outcome: '{"v":1}' }, trace);
  await store.settle(won.claim, { to: 'failed', cause: 'failed', outcome: '{"v":1,"ok":false}' }, trace);
  await store.atomically(
    { ...made(2, { policy: { ...policy, mode: 'atomic' } }), mayRun: () => true, timeoutMs: 1000 },
    async () => ({
      settlement: { to: 'completed', cause: 'succeeded', outcome: '{"v":1}' },
      effects: 'keep',
      value: 1,
    }),
  );
  const queued = made(3, {
    policy: { ...policy, mode: 'queued', onCrash: 'resume' },
    work: { principal: 'p', input: '{}' },
  }) as Parameters<typeof store.queue.enqueue>[0];
  await store.queue.enqueue(queued, async () => {});
  const started = await store.queue.start({ operationId: 'rights-3', owner: 'w', trace });
  if (started.kind !== 'started') throw new Error('not started');
  await store.queue.recordProgress(started.claim, '1');
  await store.settle(started.claim, { to: 'dead', cause: 'exhausted', lastError: '"e"' }, trace);
  await store.decisions.offer({ limit: 10, everyMs: 0 });
  const by = { actor: 'operator:a', reason: 'r' };
  await store.decisions.redrive('rights-3', { grantAttempts: 1 }, async () => {}, by);
  const again = await store.queue.start({ operationId: 'rights-3', owner: 'x', trace });
  if (again.kind !== 'started') throw new Error('not started again');
  await store.settle(again.claim, { to: 'completed', cause: 'succeeded', outcome: '{"v":1}' }, trace);
  await store.claim(made(4));
  await expect
    .poll(async () => {
      await store.sweepOrphans({ limit: 100, trace });
      return (await store.find('rights-4'))?.record.state;
    })
    .toBe('suspended');
  await store.decisions.release('rights-4', by);
  await store.purge({ select: { scope: 'rights' }, limit: 100, trace, reason: 'r' });
  await store.sweepExpired({ limit: 100 });
  return 'done';
}
