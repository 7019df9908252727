import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createTestClock } from './clock.ts';
import { createTcpProxy, type ProxyFaults, type TcpProxy } from './tcp-proxy.ts';

// The server answers each chunk with the same chunk in capitals and remembers what it got.
const sockets: Socket[] = [];
const heard: string[] = [];
const server = createServer({ allowHalfOpen: true }, (socket) => {
  sockets.push(socket);
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    heard.push(chunk.toString());
    socket.write(chunk.toString().toUpperCase());
  });
  socket.on('end', () => socket.end());
});
const proxies: TcpProxy[] = [];
const clients: Socket[] = [];

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
  for (const socket of sockets.splice(0)) socket.destroy();
  heard.length = 0;
});
afterAll(() => void server.close());

const target = () => ({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
const proxyWith = async (faults: ProxyFaults = {}) => {
  const proxy = await createTcpProxy({ target: target(), faults });
  proxies.push(proxy);
  return proxy;
};
const dial = (proxy: TcpProxy) => {
  const socket = connect(proxy.port, '127.0.0.1');
  socket.on('error', () => {});
  clients.push(socket);
  return socket;
};
const say = async (socket: Socket, text: string) => {
  socket.write(text);
  return String((await once(socket, 'data'))[0]);
};
const errorOf = async (socket: Socket) => ((await once(socket, 'error'))[0] as NodeJS.ErrnoException).code;
// Ends when the server has something to tell; polls a fact, not a duration.
const until = (isTrue: () => boolean) => expect.poll(isTrue, { timeout: 20_000, interval: 2 }).toBe(true);

test('passes bytes and closes both ways', async () => {
  const proxy = await proxyWith();
  const client = dial(proxy);
  expect(await say(client, 'hello')).toBe('HELLO');
  expect(proxy.connections.map(({ id, received }) => ({ id, ...received }))).toEqual([
    { id: 1, toServer: 5, toClient: 5 },
  ]);
  const closed = proxy.connections[0]?.closed;
  client.end();
  await once(client, 'end');
  await closed;
  expect(proxy.connections).toEqual([]);
});

test('rewrites host and port of a URL', async () => {
  const proxy = await proxyWith();
  expect(proxy.url('postgres://me:pw@db.example:5432/shop?a=1')).toBe(
    `postgres://me:pw@127.0.0.1:${proxy.port}/shop?a=1`,
  );
});

test('latency delays a direction and keeps the order of chunks', async () => {
  const clock = createTestClock();
  const delays = [1, 0]; // jitter: the second chunk alone would be due before the first
  const proxy = await createTcpProxy({
    target: target(),
    faults: { toClient: { latencyMs: 20, jitterMs: 30 } },
    random: () => delays.shift() ?? 0,
    clock,
  });
  proxies.push(proxy);
  const client = dial(proxy);
  const got: string[] = [];
  client.on('data', (chunk) => got.push(String(chunk)));
  client.write('a');
  await until(() => proxy.connections[0]?.received.toClient === 1);
  client.write('b');
  await until(() => proxy.connections[0]?.received.toClient === 2);
  expect(heard).toEqual(['a', 'b']);
  await clock.advance(49);
  expect(clock.pending).toBe(1);
  expect(got).toEqual([]);
  await clock.advance(1);
  await until(() => got.join('').length === 2);
  expect(got.join('')).toBe('AB');
});

test('a hole swallows what is still on its way when it opens', async () => {
  const clock = createTestClock();
  const slow = { toServer: { latencyMs: 20 } };
  const proxy = await createTcpProxy({ target: target(), faults: slow, clock });
  proxies.push(proxy);
  const client = dial(proxy);
  client.write('on its way');
  await until(() => proxy.connections[0]?.received.toServer === 10);
  proxy.setFaults({ toServer: { blackhole: true } });
  await clock.advance(20);
  proxy.setFaults({});
  client.write('after');
  await until(() => heard.length > 0);
  expect(heard).toEqual(['after']);
});

test('a black hole to the server swallows requests and the close', async () => {
  const proxy = await proxyWith({ toServer: { blackhole: true } });
  const client = dial(proxy);
  client.end('lost');
  await until(() => proxy.connections[0]?.received.toServer === 4);
  await until(() => sockets.length === 1);
  const [socket] = sockets;
  socket?.write('from the server');
  expect(String((await once(client, 'data'))[0])).toBe('from the server');
  expect(heard).toEqual([]);
  expect(socket?.readableEnded).toBe(false);
});

test('a black hole to the client lets requests through and loses the answers', async () => {
  const proxy = await proxyWith({ toClient: { blackhole: true } });
  const client = dial(proxy);
  const got: string[] = [];
  client.on('data', (chunk) => got.push(String(chunk)));
  client.write('done');
  await until(() => proxy.connections[0]?.received.toClient === 4);
  expect(heard).toEqual(['done']);
  proxy.setFaults({});
  client.write('healed');
  await until(() => got.length > 0);
  expect(got).toEqual(['HEALED']);
});

test('a reset after n bytes passes n bytes on and then breaks both sides', async () => {
  const proxy = await proxyWith({ toServer: { resetAfterBytes: 3 } });
  const client = dial(proxy);
  const broken = errorOf(client);
  client.write('abcdef');
  expect(await broken).toBe('ECONNRESET');
  await until(() => sockets[0]?.destroyed === true);
  expect('abc'.startsWith(heard.join(''))).toBe(true); // the RST may overtake the bytes
});

test('half-open: the server does not learn that the client is gone', async () => {
  const proxy = await proxyWith({ toServer: { halfOpen: true } });
  const client = dial(proxy);
  expect(await say(client, 'x')).toBe('X');
  client.resetAndDestroy();
  await until(() => proxy.connections.length === 1 && client.destroyed);
  const second = dial(proxy); // one round trip later the close would have arrived
  expect(await say(second, 'y')).toBe('Y');
  expect(sockets[0]?.destroyed).toBe(false);
  expect(sockets[0]?.readableEnded).toBe(false);
});

test('without half-open a reset by the client reaches the server', async () => {
  const proxy = await proxyWith();
  const client = dial(proxy);
  expect(await say(client, 'x')).toBe('X');
  client.resetAndDestroy();
  await until(() => sockets[0]?.destroyed === true);
});

test('refuses connections, keeps the open ones, and accepts again', async () => {
  const proxy = await proxyWith();
  const client = dial(proxy);
  expect(await say(client, 'x')).toBe('X');
  await proxy.refuse();
  expect(await errorOf(dial(proxy))).toBe('ECONNREFUSED');
  expect(await say(client, 'y')).toBe('Y');
  await proxy.accept();
  expect(await say(dial(proxy), 'z')).toBe('Z');
});

test('cut breaks everything that is open and lets new connections in', async () => {
  const proxy = await proxyWith();
  const [a, b] = [dial(proxy), dial(proxy)];
  await say(a, 'a');
  await say(b, 'b');
  const errors = Promise.all([errorOf(a), errorOf(b)]);
  proxy.cut();
  expect(await errors).toEqual(['ECONNRESET', 'ECONNRESET']);
  expect(await say(dial(proxy), 'c')).toBe('C');
});

test('an unreachable target breaks the client', async () => {
  const unused = createServer();
  unused.listen(0, '127.0.0.1');
  await once(unused, 'listening');
  const { port } = unused.address() as AddressInfo;
  await new Promise((resolve) => unused.close(resolve));
  const proxy = await createTcpProxy({ target: { host: '127.0.0.1', port } });
  proxies.push(proxy);
  expect(await errorOf(dial(proxy))).toBe('ECONNRESET');
});

test('the hook drops a chunk, opens a hole, or resets', async () => {
  const proxy = await proxyWith({
    onData: (direction, chunk) => {
      if (direction === 'toClient') return 'pass';
      const text = chunk.toString();
      return text === 'drop' || text === 'blackhole' || text === 'reset' ? text : 'pass';
    },
  });
  const dropping = dial(proxy);
  dropping.write('drop');
  await until(() => proxy.connections[0]?.received.toServer === 4);
  expect(await say(dropping, 'kept')).toBe('KEPT');

  const holed = dial(proxy);
  holed.write('blackhole');
  await until(() => proxy.connections[1]?.received.toServer === 9);
  holed.write('swallowed');
  await until(() => proxy.connections[1]?.received.toServer === 18);

  const reset = dial(proxy);
  const error = errorOf(reset);
  reset.write('reset');
  expect(await error).toBe('ECONNRESET');
  expect(await say(dial(proxy), 'other')).toBe('OTHER');
  expect(heard).toEqual(['kept', 'other']);
});
