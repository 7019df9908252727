import { Agent, request } from 'node:http';
import { connect as connectSocket } from 'node:net';
import { createMemoryStore } from '@semel/server';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { post, startTrpcServer } from '../fixtures/trpc-server.ts';
import { size } from './situations.ts';

/** Requests over HTTP. `SEMEL_FUZZ=100000` is the long form. */
const COUNT = Number(process.env.SEMEL_FUZZ ?? 2500);

/** One server for everything that is thrown at it: what one request breaks, a later one finds broken. */
const store = createMemoryStore();
let server: Awaited<ReturnType<typeof startTrpcServer>>;
let runs = 0;
const agent = new Agent({ keepAlive: true });
beforeAll(async () => {
  const handler = () => {
    runs++;
    return 'done';
  };
  server = await startTrpcServer(store, { atomic: handler, leased: handler });
});
afterAll(async () => {
  agent.destroy();
  await server.close();
});

/** Anything that a header may hold by HTTP's grammar: tabs, and bytes beyond ASCII. Node refuses to send the rest. */
const anyValue = fc.string({
  unit: fc.oneof(
    {
      weight: 6,
      arbitrary: fc.constantFrom(
        '"',
        ',',
        ';',
        '\\',
        '?',
        ':',
        '@',
        '(',
        ')',
        '=',
        ' ',
        '\t',
        '0',
        'k',
        'age',
      ),
    },
    { weight: 2, arbitrary: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)) },
    { weight: 1, arbitrary: fc.integer({ min: 0x80, max: 0xff }).map((code) => String.fromCharCode(code)) },
  ),
  maxLength: 40,
});
const goodKey = fc.string({
  unit: fc.constantFrom('a', 'b', 'Z', '0', '9', '-', '_', '.'),
  minLength: 1,
  maxLength: 6,
});
const quoted = goodKey.map((key) => `"${key}"`);
const member = fc.oneof(
  quoted,
  fc.constant('?0'),
  anyValue,
  quoted.chain((key) => anyValue.map((rest) => `${key};age=${rest}`)),
);
const list = fc.array(member, { maxLength: 6 }).map((members) => members.join(', '));
const huge = fc.integer({ min: 200, max: 9000 }).map((length) => `"${'k'.repeat(length)}"`);
const keyHeader = fc.oneof(
  { weight: 9, arbitrary: fc.oneof(goodKey, quoted) },
  { weight: 4, arbitrary: member },
  { weight: 3, arbitrary: anyValue },
  { weight: 1, arbitrary: huge },
);
/** Mostly absent or sent once, now and then on several lines. */
const lines = (name: string, value: fc.Arbitrary<string>, absent: number) =>
  fc.oneof(
    { weight: absent, arbitrary: fc.constant<string[]>([]) },
    { weight: 5, arbitrary: value.map((one) => [name, one]) },
    {
      weight: 1,
      arbitrary: fc
        .array(value, { minLength: 2, maxLength: 3 })
        .map((many) => many.flatMap((one) => [name, one])),
    },
  );
const mostly = <T>(usual: T, ...unusual: T[]) =>
  fc.oneof(
    { weight: 9, arbitrary: fc.constant(usual) },
    { weight: 1, arbitrary: fc.constantFrom(...unusual) },
  );
const aroundKeys = [
  lines(
    'Idempotency-Contract',
    fc.constantFrom('1', '2', ' 1 ', '01', '1.0', '-1', '1,1', '', 'NaN', '\u00b9'),
    40,
  ),
  mostly(['Authorization', 'Bearer alice'], ['Authorization', 'Bearer bob'], ['authorization', ''], []),
  mostly(
    ['Content-Type', 'application/json'],
    [],
    ['Content-Type', 'text/plain'],
    ['Content-Type', 'application/octet-stream'],
  ),
  mostly<string[]>([], ['Trpc-Accept', 'application/jsonl']),
  lines('X-Tenant', anyValue, 20),
];
const singleHeaders = fc
  .tuple(lines('Idempotency-Key', keyHeader, 2), lines('idempotency-keys', list, 30), ...aroundKeys)
  .map((parts) => parts.flat());
const batchHeaders = (calls: number) =>
  fc
    .tuple(
      lines('Idempotency-Key', keyHeader, 40),
      fc.oneof(
        {
          weight: 3,
          arbitrary: fc
            .array(fc.oneof(quoted, fc.constant('?0')), { minLength: calls, maxLength: calls })
            .map((members) => ['Idempotency-Keys', members.join(', ')]),
        },
        { weight: 2, arbitrary: lines('idempotency-keys', fc.oneof(list, anyValue, huge), 1) },
      ),
      ...aroundKeys,
    )
    .map((parts) => parts.flat());

const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const json = fc.jsonValue({ maxDepth: 3 });
const envelope = fc.record(
  {
    $idempotency: fc.oneof(
      fc.record(
        {
          key: fc.oneof(goodKey, fc.string(), fc.constant(5)),
          ageMs: fc.oneof(fc.nat(), fc.constantFrom(-1, 1e300, '5', null)),
        },
        { requiredKeys: [] },
      ),
      json,
    ),
    input: json,
    extra: json,
  },
  { requiredKeys: ['$idempotency'] },
);
const meta = fc.oneof(
  json,
  fc.constantFrom<unknown>(
    { values: ['Date'] },
    { values: ['undefined'] },
    { values: { a: ['bigint'] } },
    { values: { '__proto__.x': ['Date'] } },
    { values: { 'constructor.prototype': ['set'] } },
    { values: [['custom', 'Nobody']] },
    { values: [['class', 'Nobody']] },
    { referentialEqualities: { a: ['b'] } },
    { referentialEqualities: [['a', ['a.b']]] },
    { values: ['map', { '0.0': ['Date'] }] },
    { values: 'x', v: 9 },
  ),
);
const input = fc.oneof(json, envelope);
const few = fc.record({ n: fc.integer({ min: 0, max: 2 }) });
const superjsonBody = fc.oneof(
  { weight: 3, arbitrary: fc.record({ json: few }) },
  { weight: 3, arbitrary: fc.record({ json: input }) },
  { weight: 1, arbitrary: fc.record({ json: input, meta }) },
);
const text = fc.oneof(
  { weight: 6, arbitrary: superjsonBody.map((body) => JSON.stringify(body)) },
  { weight: 2, arbitrary: json.map((body) => JSON.stringify(body)) },
  { weight: 1, arbitrary: fc.string() },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '',
      '{',
      'null',
      '{"json":{"__proto__":{"polluted":true}}}',
      '{"json":{"constructor":{"prototype":{"polluted":true}}}}',
      '{"json":{"a":1,"a":2}}',
      '{"json":1e400}',
      '{"json":"\\ud800"}',
      '{"__proto__":{"json":1}}',
      '\u0000',
      '{"json":{"$idempotency":{"__proto__":{"key":"k"}}}}',
      `{"json":${nested(200)}}`,
      `{"json":${nested(2000)}}`,
      `{"json":${nested(20_000)}}`,
      `{"json":"${'x'.repeat(100_000)}"}`,
    ),
  },
);

const path = mostly<fc.Arbitrary<string>>(
  fc.constantFrom('atomic', 'leased', 'optional', 'strict'),
  fc.constantFrom('nowhere', 'idempotency.status', 'echo', '__proto__', 'constructor', ''),
).chain((chosen) => chosen);
const strangeIndex = fc.constantFrom('-1', '1e1', '99999999', 'x', '', '__proto__', '5');
const batchBody = (calls: number) =>
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc
        .array(superjsonBody, { minLength: calls, maxLength: calls })
        .map((bodies) => JSON.stringify(Object.fromEntries(bodies.entries()))),
    },
    {
      weight: 1,
      arbitrary: fc
        .dictionary(
          fc.oneof(fc.constantFrom('0', '1', '2', '3'), strangeIndex),
          fc.oneof(superjsonBody, json),
          { maxKeys: 6 },
        )
        .map((body) => JSON.stringify(body)),
    },
    { weight: 1, arbitrary: fc.array(superjsonBody, { maxLength: 4 }).map((body) => JSON.stringify(body)) },
    { weight: 1, arbitrary: text },
  );
const single = fc.record({ url: path.map((name) => `/${name}`), headers: singleHeaders, body: text });
const batch = fc.array(path, { minLength: 1, maxLength: 5 }).chain((paths) =>
  fc.record({
    url: mostly('1', 'true', '').map((flag) => `/${paths.join(',')}?batch=${flag}`),
    headers: batchHeaders(paths.length),
    body: batchBody(paths.length),
  }),
);

interface Sent {
  readonly url: string;
  readonly headers: string[];
  readonly body: string;
}
function send({ url, headers, body }: Sent): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const { port } = server;
    const length = ['Host', 'x', 'Content-Length', `${Buffer.byteLength(body)}`];
    const sent = request(
      { host: '127.0.0.1', port, path: url, method: 'POST', agent, headers: [...length, ...headers] },
      (response) => {
        let answer = '';
        response.setEncoding('utf8');
        response.on('data', (chunk) => {
          answer += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: answer }));
        response.on('error', reject);
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Every status in an answer: its own, and those of the calls of a batch. */
const statusesIn = ({ status, body }: { status: number; body: string }): number[] => [
  status,
  ...[...body.matchAll(/"httpStatus":(\d+)/g)].map(([, found]) => Number(found)),
];

async function expectUnharmed(): Promise<void> {
  // Every run of a handler left one record, and nothing else did.
  expect(await size(store)).toBe(runs);
  expect(server.semel.engine.active).toBe(0);
  expect(({} as { polluted?: unknown }).polluted).toBe(undefined);
}

/** The server of these tests is one: each adds to what the others left. */
test.each([
  { what: 'single calls', requests: single, numRuns: COUNT * 0.6 },
  { what: 'batches', requests: batch, numRuns: COUNT * 0.4 },
])(
  '$numRuns $what of any shape get no 5xx, and only what ran is on record',
  { timeout: 30_000 + COUNT * 20 },
  async ({ requests, numRuns }) => {
    await fc.assert(
      fc.asyncProperty(requests, async (sent) => {
        const answer = await send(sent);
        expect(statusesIn(answer).filter((status) => status < 200 || status >= 500)).toEqual([]);
        await expectUnharmed();
      }),
      { numRuns },
    );
    // The fuzz reached the handlers, and not them alone.
    expect(runs).toBeGreaterThan(numRuns / 50);
    const alive = await post(
      server.url,
      'atomic',
      { after: numRuns },
      { 'idempotency-key': `alive-${numRuns}` },
    );
    expect(alive.status).toBe(200);
  },
);

test('500 messages of any shape over one socket are answered without a 5xx, and only what ran is on record', async () => {
  const socket = new WebSocket(server.wsUrl);
  await new Promise((resolve) => socket.once('open', resolve));
  let id = 0;
  const message = fc.record({
    path,
    body: fc.oneof({ weight: 4, arbitrary: superjsonBody }, { weight: 1, arbitrary: json }),
  });
  await fc.assert(
    fc.asyncProperty(message, async ({ path, body }) => {
      // What tRPC can't parse it answers with id null; there is one message at a time.
      const answered = new Promise<string>((resolve) =>
        socket.once('message', (data: Buffer) => resolve(data.toString())),
      );
      socket.send(JSON.stringify({ id: ++id, method: 'mutation', params: { path, input: body } }));
      expect(statusesIn({ status: 200, body: await answered }).filter((status) => status >= 500)).toEqual([]);
      await expectUnharmed();
    }),
    { numRuns: 500 },
  );
  socket.terminate();
});

test('control characters in a header are refused before anything is read from it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('Idempotency-Key', 'Idempotency-Keys', 'Idempotency-Contract'),
      fc.integer({ min: 0, max: 0x1f }).filter((code) => code !== 9 && code !== 10 && code !== 13),
      async (name, code) => {
        const answer = await new Promise<string>((resolve, reject) => {
          const socket = connectSocket(server.port, '127.0.0.1');
          let text = '';
          socket.on('data', (chunk) => {
            text += chunk;
          });
          socket.on('close', () => resolve(text));
          socket.on('error', reject);
          socket.end(
            `POST /optional HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer alice\r\nContent-Type: application/json\r\n${name}: a${String.fromCharCode(code)}b\r\nContent-Length: 2\r\n\r\n{}`,
          );
        });
        expect(answer.split('\r\n')[0]).toBe('HTTP/1.1 400 Bad Request');
        await expectUnharmed();
      },
    ),
    { numRuns: 60 },
  );
});
