import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createDice, type Dice, type RawAnswer, type RawRequest, sendRaw } from '../testing/fuzz-http.ts';
import { createRig, type Rig } from '../testing/rig.ts';
import type {} from '../testing/vitest-context.ts';

// Whatever comes: an answer below 500, nothing stored but what a 201 (or a stored 402) has told of, no memory kept.
// SEMEL_FUZZ is the number of requests, SEMEL_FUZZ_SEED the seed that a failure names.

const COUNT = Number(process.env.SEMEL_FUZZ ?? 1_500);
const SEED = Number(process.env.SEMEL_FUZZ_SEED ?? Date.now() % 1_000_000);
const CALLERS = 16;

let rig: Rig;
beforeAll(async () => {
  rig = await createRig(inject('databaseUrl'), {
    logLevel: 'silent',
    bodyLimitBytes: 4_096,
    rateLimit: { max: 1e9, windowMs: 3_600_000 },
    corsOrigins: ['https://shop.example'],
  });
});
afterAll(() => rig.close());

const bytes = (dice: Dice, length: number, from = 0, to = 256): string =>
  String.fromCharCode(...Array.from({ length }, () => from + dice.whole(to - from)));
/** What a header may hold at all: anything but the bytes that end it. */
const headerText = (dice: Dice): string => bytes(dice, dice.whole(40), 0x20, 0x100).replaceAll('\x7f', '');

const KEYS: readonly ((dice: Dice) => string)[] = [
  (dice) => `"k-${dice.whole(60)}"`,
  (dice) => `"k-${dice.whole(60)}";age=${dice.whole(200_000)}`,
  (dice) => `k-${dice.whole(60)}`,
  (dice) => `"new-${dice.whole(1e9)}"`,
  headerText,
  () => '""',
  () => '"a", "b"',
  () => '"unterminated',
  () => ':YQ==:',
  () => '?1',
  (dice) => `"${'x'.repeat(dice.pick([254, 255, 256, 2_000]))}"`,
  (dice) => JSON.stringify(headerText(dice)),
];
const BODIES: readonly ((dice: Dice) => string | Buffer)[] = [
  (dice) => JSON.stringify({ sku: dice.pick(['lamp', 'pen', 'ütf-8', '😀']), quantity: 1 + dice.whole(3) }),
  (dice) => JSON.stringify({ quantity: 1 + dice.whole(3), sku: 'lamp' }, null, dice.whole(4)),
  (dice) =>
    JSON.stringify({
      amount: 1 + dice.whole(3),
      currency: 'EUR',
      customer: dice.pick(['cus_ok', 'cus_declined']),
    }),
  (dice) => JSON.stringify(anyJson(dice, 0)),
  (dice) => JSON.stringify({ sku: anyJson(dice, 2), quantity: anyJson(dice, 2), extra: anyJson(dice, 0) }),
  (dice) =>
    `{"sku":"lamp","quantity":${dice.pick(['9007199254740993', '1e400', '-0', '1.5', '01', 'NaN', '1E1'])}}`,
  () => '{"sku":"lamp","quantity":1,"__proto__":{"quantity":9}}',
  () => '{"sku":"lamp","sku":"pen","quantity":1}',
  () => '{"$idempotency":{"key":"k-1"},"input":{"sku":"lamp","quantity":1}}',
  (dice) => `{"sku":"${dice.pick(['\\u0000', '\\ud800', '\\udc00x', '\\u202e'])}","quantity":1}`,
  (dice) => dice.pick(['[', '{"a":']).repeat(dice.whole(900)),
  (dice) => '{"sku":"lamp","quantity":1}'.slice(0, dice.whole(27)),
  (dice) => Buffer.from(bytes(dice, dice.whole(60)), 'latin1'),
  (dice) => 'x'.repeat(dice.pick([4_095, 4_096, 4_097, 9_000])),
  () => '',
];

function anyJson(dice: Dice, depth: number): unknown {
  const plain = [null, true, 0, -1, 1.5, 2 ** 53, '', 'x', '\0', '__proto__', '😀', dice.whole(1e6)];
  if (depth > 3 || dice.whole(3) > 0) return dice.pick(plain);
  const inner = Array.from({ length: dice.whole(4) }, () => anyJson(dice, depth + 1));
  return dice.once(2)
    ? inner
    : Object.fromEntries(inner.map((value, n) => [dice.pick(['a', 'sku', '$idempotency', `m${n}`]), value]));
}

const TARGETS: readonly ((dice: Dice) => string)[] = [
  () => '/v1/orders',
  () => '/v1/payments',
  (dice) =>
    `/v1/payments?limit=${dice.pick(['1', '0', '-1', '1e2', 'x', '99999999999999999999', '1&limit=2', '%00', '%FF', ''])}`,
  (dice) =>
    `/v1/payments/${dice.pick(['pay_x', '%00', '%2F', '%ZZ', '..', 'é', 'x'.repeat(6_000), '%F0%9F%98%80'])}`,
  (dice) =>
    `/v1/orders?${dice.pick(['sku=lamp', 'sku=pen&quantity=1', '__proto__=1', '$idempotency=1', '=&&=', 'a[]=1'])}`,
  (dice) =>
    `/idempotency/operations?procedure=${dice.pick(['orders.create', 'x', '%00', '', 'a&procedure=b'])}`,
  (dice) => `/idempotency/operations/${dice.pick(['x', '%00', '%ED%A0%80', 'y'.repeat(300)])}`,
  () => '/openapi.json',
  (dice) => `/${bytes(dice, dice.whole(20), 0x21, 0x7f)}`,
];

const maybe = (dice: Dice, name: string, values: readonly string[], times = 3): [string, string][] =>
  dice.once(times) ? [[name, dice.pick(values)]] : [];

function anyRequest(dice: Dice): RawRequest {
  const method = dice.pick([
    'POST',
    'POST',
    'POST',
    'GET',
    'GET',
    'HEAD',
    'OPTIONS',
    'PUT',
    'DELETE',
    'PATCH',
    'TRACE',
  ]);
  // Most have a chance: random all over, nearly every request would fail at the first check.
  const isPlausible = !dice.once(3);
  const body =
    method === 'GET' || method === 'HEAD'
      ? undefined
      : (isPlausible ? dice.pick(BODIES.slice(0, 5)) : dice.pick(BODIES))(dice);
  return {
    method: isPlausible && body !== undefined ? 'POST' : method,
    target: (isPlausible ? dice.pick(TARGETS.slice(0, 2)) : dice.pick(TARGETS))(dice),
    headers: [
      [
        'authorization',
        isPlausible
          ? 'Bearer sk_demo_acme'
          : dice.pick([
              'Bearer sk_demo_acme',
              'Bearer sk_demo_globex',
              'Bearer x',
              'Basic eA==',
              headerText(dice),
            ]),
      ],
      [
        'content-type',
        isPlausible
          ? 'application/json'
          : dice.pick([
              'application/json',
              'application/json; charset=utf-8',
              'text/plain',
              'a',
              '',
              'application/json;;',
              headerText(dice),
            ]),
      ],
      ...(dice.once(8)
        ? []
        : [
            ['idempotency-key', (isPlausible ? dice.pick(KEYS.slice(0, 4)) : dice.pick(KEYS))(dice)] as const,
          ]),
      ...(isPlausible
        ? []
        : [
            ...maybe(dice, 'idempotency-key', ['"second"']),
            ...maybe(dice, 'idempotency-keys', ['"a"', '"a", ?0', '', '?0']),
            ...maybe(dice, 'idempotency-contract', ['1', '2', '', 'one']),
            ...maybe(dice, 'accept', [
              '*/*',
              'application/json',
              'text/html',
              ';q=',
              'a/b;q=2,,',
              headerText(dice),
            ]),
            ...maybe(dice, 'content-encoding', ['gzip', 'identity', 'br, gzip', '']),
            ...maybe(dice, 'traceparent', ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'x']),
            ...maybe(dice, 'origin', ['https://shop.example', 'null', headerText(dice)]),
            ...maybe(dice, 'access-control-request-method', ['POST', '']),
            ...maybe(dice, 'expect', ['100-continue'], 20),
            ...maybe(dice, bytes(dice, 1 + dice.whole(8), 0x61, 0x7b), [headerText(dice)]),
          ]),
    ],
    body: body === undefined ? undefined : Buffer.from(body as string),
    chunked: dice.once(3),
    splits: Array.from({ length: dice.whole(4) }, () => dice.whole(1_000) / 1_000),
    hangsUpAt: dice.once(50) ? dice.whole(999) / 1_000 : undefined,
  };
}

const ALLOWED = [200, 201, 204, 400, 401, 402, 404, 405, 406, 409, 413, 414, 415, 422, 431];

/** What is wrong with an answer, in words. */
function complaint({ status, headers, body }: RawAnswer, { method }: RawRequest): string | undefined {
  if (!ALLOWED.includes(status)) return `answered ${status}: ${body.slice(0, 200)}`;
  if (status < 400 || method === 'HEAD') return undefined;
  // What isn't HTTP is refused by Node's parser, before anybody can say it nicely.
  if (status === 431 || (status === 400 && !headers.has('x-request-id') && !headers.has('cache-control')))
    return undefined;
  const type = headers.get('content-type') ?? '';
  if (!/^application\/(problem\+)?json; charset=utf-8$/.test(type)) return `${status} as ${type}`;
  const problem = JSON.parse(body) as { status?: unknown; title?: unknown };
  return problem.status === status && typeof problem.title === 'string'
    ? undefined
    : `not a problem: ${body}`;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const heapMb = (): number => {
  collect();
  return process.memoryUsage().heapUsed / 2 ** 20;
};
const rows = async (sql: string): Promise<number> => Number((await rig.database.pool.query(sql)).rows[0].n);

test(
  `${COUNT} random requests (seed ${SEED}): no 5xx, nothing stored that was not answered`,
  async () => {
    const port = Number(new URL(rig.server.url).port);
    const statuses: Record<number, number> = {};
    const made = { orders: 0, payments: 0 };
    const complaints: string[] = [];
    let heapBefore = 0;
    let next = 0;
    const caller = async (): Promise<void> => {
      while (next < COUNT && complaints.length === 0) {
        const number = next++;
        if (number === COUNT >> 3) heapBefore = heapMb();
        const request = anyRequest(createDice(SEED * 1_000_003 + number));
        const answer = await sendRaw(port, request).catch((error: Error) => error);
        if (answer === undefined) continue;
        const wrong = answer instanceof Error ? answer.message : complaint(answer, request);
        if (wrong !== undefined) {
          complaints.push(
            `request ${number}: ${wrong}\n${JSON.stringify({ ...request, body: request.body?.toString('latin1') }).slice(0, 900)}`,
          );
        }
        if (answer instanceof Error) continue;
        statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
        const isFirst =
          answer.headers.has('idempotency-operation') && !answer.headers.has('idempotency-replayed');
        if (isFirst && answer.status === 201)
          made[request.target.startsWith('/v1/orders') ? 'orders' : 'payments']++;
        if (isFirst && answer.status === 402) made.payments++;
      }
    };
    await Promise.all(Array.from({ length: CALLERS }, caller));
    expect(complaints).toStrictEqual([]);
    if (process.env.SEMEL_FUZZ !== undefined)
      console.log(`fuzz: seed ${SEED}, ${COUNT} requests, statuses`, statuses);

    expect(made.orders).toBeGreaterThan(20);
    expect(made.payments).toBeGreaterThan(20);
    expect(await rows('SELECT count(*) AS n FROM shop.orders')).toBe(made.orders);
    expect(await rows('SELECT count(*) AS n FROM pay.payment')).toBe(made.payments);
    expect(
      await rows(`SELECT count(*) AS n FROM semel.operation WHERE state IN ('completed', 'failed')`),
    ).toBe(made.orders + made.payments);
    expect(
      await rows(`SELECT count(*) AS n FROM semel.operation WHERE state NOT IN ('completed', 'failed')`),
    ).toBe(0);
    // Pools and caches have filled by the first eighth. Below that many requests, noise is all there is to see.
    if (COUNT >= 20_000) expect(heapMb() - heapBefore).toBeLessThan(40);
  },
  60_000 + COUNT * 20,
);
