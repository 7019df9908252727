import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
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

// An apt-get that, like the real one, gives up where another is at work, and a machine that has nothing else.
const APT_GET = `#!/bin/sh
PATH=/usr/bin:/bin; cd "$(dirname "$0")"
mkdir lock || exit 100
sleep 0.3
if [ "$1" = install ]; then
  printf '#!/bin/sh\\necho Ready to accept connections\\nexec /bin/sleep 60\\n' > new && chmod +x new && mv new redis-server
fi
rmdir lock
`;
const PROGRAM = `
const { existsSync } = await import('node:fs');
const { ensureRedis } = await import(process.env.SERVICES);
let goesOn = false;
const looks = setInterval(() => { goesOn ||= !existsSync(process.env.PATH + '/redis-server'); }, 5);
const { stop } = await ensureRedis();
clearInterval(looks);
await stop();
console.log(goesOn ? 'installed, and went on meanwhile' : 'installed, and stood still meanwhile');
`;

test.skipIf(process.getuid?.() !== 0)(
  'processes that both miss Redis install it once, and go on meanwhile',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'no-redis-'));
    writeFileSync(join(folder, 'apt-get'), APT_GET, { mode: 0o755 });
    const services = new URL('./services.mjs', import.meta.url).href;
    const env = { PATH: folder, TMPDIR: folder, SERVICES: services };
    const run = () => promisify(execFile)(process.execPath, ['--input-type=module', '-e', PROGRAM], { env });
    const ended = await Promise.all([run(), run(), run()]);
    expect(ended.map(({ stdout }) => stdout).toSorted()).toStrictEqual(
      Array.from({ length: 3 }, () => 'installed, and went on meanwhile\n'),
    );
    rmSync(folder, { recursive: true });
  },
);
