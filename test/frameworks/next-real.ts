/**
 * The routes in a Next.js that was really built and started: `node --conditions=@semel/source test/frameworks/next-real.ts`.
 * Not part of the tests: a build takes its time. Prints what it checked, and fails with the first that isn't so.
 */
import { strict as assert } from 'node:assert';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { build } from 'vite';

const folder = join(import.meta.dirname, 'next-app');
const conditions = ['@semel/source', 'node', 'import', 'default'];
await build({
  root: import.meta.dirname,
  configFile: false,
  logLevel: 'error',
  resolve: { conditions },
  ssr: { noExternal: true, external: ['next/server.js'], resolve: { conditions } },
  build: {
    ssr: 'next-routes.ts',
    outDir: 'next-app/.generated',
    emptyOutDir: true,
    minify: false,
    target: 'node22',
    rollupOptions: { output: { entryFileNames: 'routes.mjs' } },
  },
});

const next = (...args: string[]): ChildProcess =>
  spawn(process.execPath, [join(import.meta.dirname, 'node_modules/next/dist/bin/next'), ...args], {
    cwd: folder,
    env: { ...process.env, NEXT_TELEMETRY_DISABLED: '1' },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
const [code] = await once(next('build'), 'exit');
assert.equal(code, 0, 'next build');

const probe = createServer().listen(0, '127.0.0.1');
await once(probe, 'listening');
const { port } = probe.address() as { port: number };
probe.close();
await once(probe, 'close');
const server = next('start', '-p', String(port), '-H', '127.0.0.1');
const url = `http://127.0.0.1:${port}`;
try {
  for (;;) {
    assert.equal(server.exitCode, null, 'next start');
    if (await fetch(url).catch(() => undefined)) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await check();
} finally {
  server.kill();
  await once(server, 'exit');
}

async function check(): Promise<void> {
  const send = async (
    path: string,
    key: string | undefined,
    body: BodyInit | null,
    type = 'application/json',
  ) => {
    const headers = new Headers({ authorization: 'ann', 'content-type': type });
    if (key !== undefined) headers.set('idempotency-key', key);
    const answer = await fetch(url + path, { method: 'POST', headers, body });
    const bytes = Buffer.from(await answer.arrayBuffer());
    return { status: answer.status, headers: answer.headers, bytes, text: bytes.toString() };
  };
  const replayed = ({ headers }: { headers: Headers }) => headers.get('idempotency-replayed');
  const passed = (what: string): void => console.log(`ok: ${what}`);

  const first = await send('/orders/corner', 'a', '{"sku":"book"}');
  const again = await send('/orders/corner', '"a"', '{ "sku": "book" }');
  assert.equal(first.text, '{"run":1,"sku":"book","shop":"corner","pathname":"/orders/corner"}');
  assert.deepEqual([again.status, again.text, replayed(again)], [201, first.text, 'true']);
  assert.equal(first.headers.getSetCookie().length, 1);
  assert.deepEqual(again.headers.getSetCookie(), []);
  passed('first and replay, parameters of the path, no cookies on the replay');

  const eight = await Promise.all(
    Array.from({ length: 8 }, () => send('/orders/corner', 'b', '{"sku":"slow"}')),
  );
  assert.equal(new Set(eight.map(({ text }) => text)).size, 1);
  assert.equal(eight.filter((one) => replayed(one) === 'true').length, 7);
  passed('eight at once');

  const codes = [
    await send('/orders/corner', undefined, '{}'),
    await send('/orders/corner', '"open', '{}'),
    await send('/orders/corner', 'a', '{"sku":"lamp"}'),
    await send('/orders/square', 'a', '{"sku":"book"}'),
  ];
  assert.deepEqual(
    codes.map(({ status, text }) => [status, JSON.parse(text).code]),
    [
      [400, 'key_missing'],
      [400, 'key_malformed'],
      [422, 'key_reused'],
      [422, 'key_reused'],
    ],
  );
  passed('key missing, malformed, reused');

  const bytes = Uint8Array.from({ length: 70_000 }, (_, at) => (at * 7919) % 256);
  for (const mark of [null, 'true']) {
    const file = await send('/files', 'c', bytes, 'application/octet-stream');
    assert.ok(file.bytes.equals(bytes.toReversed()));
    assert.equal(replayed(file), mark);
  }
  const form = (boundary: string) =>
    send(
      '/files',
      'form',
      `--${boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--${boundary}--\r\n`,
      `multipart/form-data; boundary=${boundary}`,
    );
  assert.equal((await form('one')).text, (await form('two')).text);
  for (const mark of [null, 'true']) {
    const nothing = await send('/ship', 'd', null);
    assert.deepEqual([nothing.status, nothing.bytes.length, replayed(nothing)], [204, 0, mark]);
  }
  passed('binary, multipart under another boundary, 204');

  assert.equal((await send('/orders/corner', 'e', '{"sku":"broken"}')).status, 500);
  const body = '{"sku":"slow"}';
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(
    `POST /orders/corner HTTP/1.1\r\nHost: x\r\nAuthorization: ann\r\nContent-Type: application/json\r\nIdempotency-Key: f\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  const known = async (): Promise<boolean> => {
    const headers = { authorization: 'ann', 'idempotency-key': 'f' };
    return (await fetch(`${url}/idempotency/operations?procedure=orders.create`, { headers })).status === 200;
  };
  await new Promise((resolve) => setTimeout(resolve, 100));
  socket.destroy();
  while (!(await known())) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(replayed(await send('/orders/corner', 'f', body)), 'true');
  passed('a caller that hangs up, and its retry');
}
