import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { ensureRedis } from '@semel/dev-services';
import { Redis } from 'ioredis';

/** A real Redis of one's own, to be broken. */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** A connection for the test itself. */
  readonly admin: Redis;
  /** SIGSTOP and SIGCONT: its sockets stay open and nothing answers. */
  pause(): void;
  resume(): void;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Again on the same port, with what lies on its disk. */
  start(): Promise<void>;
  close(): Promise<void>;
}

const program = (): string | undefined =>
  ['redis-server', 'valkey-server']
    .flatMap((name) => (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name)))
    .find(existsSync);

/** @throws where there is no Redis and none can be installed: a run without it must not look green */
export async function startRedisServer(...more: string[]): Promise<RedisServer> {
  if (program() === undefined) await ensureRedis().then((service) => service.stop());
  const bin = program();
  if (bin === undefined) throw new Error('These tests break a Redis of their own: install redis-server');
  for (let tries = 1; ; tries++) {
    try {
      return await startOn(await freePort(), bin, more);
    } catch (error) {
      // Between the two another process may have taken the port.
      if (tries === 3) throw error;
    }
  }
}

async function startOn(port: number, bin: string, more: readonly string[]): Promise<RedisServer> {
  const dir = mkdtempSync(join(tmpdir(), 'redis-'));
  const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find(existsSync);
  const [command, ...tied] = setpriv === undefined ? [bin] : [setpriv, '--pdeathsig', 'KILL', '--', bin];
  let child: ChildProcess | undefined;
  const endWithUs = (): void => void child?.kill('SIGKILL');
  process.once('exit', endWithUs);

  const admin = new Redis({ port, lazyConnect: true, retryStrategy: () => 25, maxRetriesPerRequest: null });
  admin.on('error', () => {});

  async function start(): Promise<void> {
    const settings = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--save', ''];
    child = spawn(command, [...tied, ...settings, ...more], { stdio: 'ignore' });
    const started = child;
    if (admin.status === 'wait') void admin.connect().catch(() => {});
    // Ours, and not another's that was given the same port a moment ago.
    await until(`redis-server on port ${port}`, async () => {
      if (started.exitCode !== null) throw new Error(`redis-server on port ${port} ended by itself`);
      return admin.status === 'ready' && (await admin.info('server')).includes(`process_id:${started.pid}\r`);
    });
  }

  async function kill(): Promise<void> {
    const dying = child;
    if (dying === undefined || dying.exitCode !== null || dying.signalCode !== null) return;
    const exited = new Promise((resolve) => dying.once('exit', resolve));
    dying.kill('SIGKILL');
    await exited;
  }

  async function close(): Promise<void> {
    admin.disconnect();
    await kill();
    process.off('exit', endWithUs);
    rmSync(dir, { recursive: true, force: true });
  }

  try {
    await start();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    admin,
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    kill,
    start,
    close,
  };
}

/** A Sentinel that watches one primary, called `main`, and decides alone. */
export async function startSentinel(primary: RedisServer): Promise<{ port: number; close(): Promise<void> }> {
  const bin = program();
  if (bin === undefined) throw new Error('startRedisServer comes first');
  const dir = mkdtempSync(join(tmpdir(), 'sentinel-'));
  const port = await freePort();
  const settings = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${dir}`,
    `sentinel monitor main 127.0.0.1 ${primary.port} 1`,
    'sentinel down-after-milliseconds main 500',
    'sentinel failover-timeout main 1000',
  ];
  const file = join(dir, 'sentinel.conf');
  writeFileSync(file, `${settings.join('\n')}\n`);
  const child = spawn(bin, [file, '--sentinel'], { stdio: 'ignore' });
  const endWithUs = (): void => void child.kill('SIGKILL');
  process.once('exit', endWithUs);
  const exited = new Promise((resolve) => child.once('exit', resolve));
  return {
    port,
    async close() {
      child.kill('SIGKILL');
      await exited;
      process.off('exit', endWithUs);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Three primaries without replicas; each serves what is left when another is gone. */
export async function startCluster(): Promise<readonly RedisServer[]> {
  const nodes = await Promise.all(
    Array.from({ length: 3 }, async () => {
      const busPort = await freePort();
      const settings = ['--cluster-enabled', 'yes', '--cluster-port', String(busPort)];
      settings.push('--cluster-announce-ip', '127.0.0.1', '--cluster-require-full-coverage', 'no');
      return { redis: await startRedisServer(...settings), busPort };
    }),
  );
  const [first] = nodes;
  for (const [index, { redis, busPort }] of nodes.entries()) {
    await redis.admin.cluster('ADDSLOTSRANGE', ...(SLOTS[index] ?? []));
    await first?.redis.admin.cluster('MEET', '127.0.0.1', redis.port, busPort);
  }
  for (const { redis } of nodes) {
    const isFormed = async () =>
      /cluster_state:ok[\s\S]*cluster_known_nodes:3/.test(await redis.admin.cluster('INFO'));
    await until('the Cluster', isFormed);
  }
  return nodes.map(({ redis }) => redis);
}

const SLOTS = [
  [0, 5460],
  [5461, 10_922],
  [10_923, 16_383],
] as const;

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 20_000; !(await holds()); ) {
    if (performance.now() > deadline) throw new Error(`${what} wasn't ready within 20 s`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        typeof address === 'object' && address !== null
          ? resolve(address.port)
          : reject(new Error('no port')),
      );
    });
  });
}
