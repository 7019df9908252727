import { connect } from 'node:net';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createRig, type Rig } from '../testing/rig.ts';
import type {} from '../testing/vitest-context.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await createRig(inject('databaseUrl'));
});
afterAll(() => rig.close());

/** What one connection answers until the server closes it. */
function answerTo(text: string): Promise<string> {
  const { hostname, port } = new URL(rig.server.url);
  return new Promise((resolve, reject) => {
    let answer = '';
    connect({ host: hostname, port: Number(port) }, function (this: import('node:net').Socket) {
      this.write(text);
    })
      .setEncoding('latin1')
      .on('data', (chunk) => {
        answer += chunk;
      })
      .on('end', () => resolve(answer))
      .on('error', reject);
  });
}

const order = (target: string, ...headers: readonly string[]): string => {
  const body = '{"sku":"lamp","quantity":2}';
  const all = [
    `POST ${target} HTTP/1.1`,
    'Host: x',
    'Authorization: Bearer sk_demo_acme',
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
    ...headers,
  ];
  return `${all.join('\r\n')}\r\n\r\n${body}`;
};

test.each([
  ['no HTTP at all', 'hello\r\n\r\n', 400],
  ['two lengths', order('/v1/orders', 'Transfer-Encoding: chunked'), 400],
  ['headers without an end', order('/v1/orders', `X-Long: ${'x'.repeat(20_000)}`), 431],
])('%s is a problem document that nobody may cache', async (_what, text, status) => {
  const answer = await answerTo(text);
  expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  expect(answer).toContain('\r\nContent-Type: application/problem+json; charset=utf-8\r\n');
  expect(answer).toContain('\r\nCache-Control: private, no-store\r\n');
  expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).toMatchObject({ type: 'about:blank', status });
});

test.each(['', 'a b', '['])(
  'a host that is none (%j) is the fault of who sends it, over tRPC too',
  async (host) => {
    const call = order('/trpc/orders.create', 'Idempotency-Key: host', 'Connection: close');
    const answer = await answerTo(call.replace('Host: x', `Host: ${host}`));
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('"code":"BAD_REQUEST"');
    expect(rig.logs.filter(({ level }) => Number(level) >= 50)).toEqual([]);
  },
);

test('a client that offers HTTP/2 on its first request, as Java does, gets its answer over HTTP/1.1', async () => {
  const offer = [
    'Connection: Upgrade, HTTP2-Settings, close',
    'Upgrade: h2c',
    'HTTP2-Settings: AAEAAEAAAAIAAAAB',
  ];
  expect(await answerTo(order('/v1/orders', 'Idempotency-Key: h2c', ...offer))).toMatch(/^HTTP\/1\.1 201 /);
});

test('a route that is no socket answers who asks for one as it answers everybody', async () => {
  const handshake = [
    'Connection: Upgrade, close',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  ];
  const asked = ['GET /healthz HTTP/1.1', 'Host: x', ...handshake];
  expect(await answerTo(`${asked.join('\r\n')}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 200 /);
});

test.each(['http://elsewhere.example/v1/orders', '/%761/orders'])(
  'a route knows its caller however its address is written: %s',
  async (target) => {
    const answer = await answerTo(order(target, `Idempotency-Key: ${target.length}`, 'Connection: close'));
    expect(answer).toMatch(/^HTTP\/1\.1 201 /);
    expect(answer).toContain('\r\ncache-control: private, no-store\r\n');
  },
);
