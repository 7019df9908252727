import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { ensureRedis } from '@semel/dev-services';
import { Redis } from 'ioredis';

/** A real Redis of one's own, whose settings a test may change. */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  readonly admin: Redis;
  stop(): Promise<void>;
}

const program = (): string | undefined =>
  ['redis-server', 'valkey-server']
    .flatMap((name) => (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name)))
    .find(existsSync);

/** @throws where there is no Redis and none can be installed: a run without it must not look green */
export async function startRedisServer(...more: string[]): Promise<RedisServer> {
  if (program() === undefined) await ensureRedis().then((service) => service.stop());
  const found = program();
  if (found === undefined)
    throw new Error('These tests change the settings of a Redis of their own: install one');
  const folder = mkdtempSync(join(tmpdir(), 'semel-redis-'));
  const port = await freePort();
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', ''];
  const child = spawn(found, [...settings, ...more], { stdio: 'ignore' });
  const endWithUs = (): void => void child.kill('SIGKILL');
  process.once('exit', endWithUs);
  const admin = new Redis({ port, retryStrategy: () => 25, maxRetriesPerRequest: null });
  admin.on('error', () => {});
  await admin.ping();
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    admin,
    async stop() {
      admin.disconnect();
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await exited;
      process.off('exit', endWithUs);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
