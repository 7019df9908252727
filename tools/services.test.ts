import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { delimiter, join } from 'node:path';
import { expect, test } from 'vitest';
import { ensureRedis } from './services.mjs';

const installed =
  process.env.REDIS_URL !== undefined ||
  (process.env.PATH ?? '')
    .split(delimiter)
    .some((folder) => ['redis-server', 'valkey-server'].some((name) => existsSync(join(folder, name))));

async function ping(url: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.write('PING\r\n');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return answer.toString();
}

test.skipIf(!installed)('a Redis of its own answers until it is stopped', async () => {
  const redis = await ensureRedis();
  expect(await ping(redis.url)).toBe('+PONG\r\n');
  await redis.stop();
  if (redis.how !== 'REDIS_URL') await expect(ping(redis.url)).rejects.toThrow('ECONNREFUSED');
});

test.skipIf(!installed)('two of them are two servers', async () => {
  const [one, other] = await Promise.all([ensureRedis(), ensureRedis()]);
  if (one?.how !== 'REDIS_URL') expect(one?.url).not.toBe(other?.url);
  await Promise.all([one?.stop(), other?.stop()]);
});
