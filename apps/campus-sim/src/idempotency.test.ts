import { request } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import {
  type CampusService,
  type CampusServiceOptions,
  createCampusService,
  type ServiceName,
} from './campus-service.ts';
import { get, order, post } from './testing.ts';

const services: CampusService[] = [];
const start = async (name: ServiceName = 'billing', options: CampusServiceOptions = {}) => {
  const service = await createCampusService(name, options);
  services.push(service);
  return service;
};
afterEach(() => Promise.all(services.splice(0).map((service) => service.close())));

test.each([
  ['billing', '/invoices'],
  ['roster', '/seats'],
] as const)('%s: the same key and request replay the first answer, with one effect', async (name, path) => {
  const { url } = await start(name);
  const first = await post(url + path, order(), 'k');
  const { school, ...rest } = order();
  const second = await post(url + path, { ...rest, school }, 'k'); // the order of members is no difference
  expect([first.status, first.isReplay]).toStrictEqual([201, false]);
  expect([second.status, second.isReplay]).toStrictEqual([201, true]);
  expect(second.body).toStrictEqual(first.body);
  expect(await get(`${url}/_sim${path}?reference=enr_1`)).toStrictEqual([first.body]);
});

/** fetch would join several lines to one, and add none. */
const raw = (url: string, lines: string[]): Promise<{ status: number | undefined; code: string }> =>
  new Promise((resolve, reject) => {
    const headers = lines.flatMap((line) => ['Idempotency-Key', line]);
    const asked = request(
      `${url}/invoices`,
      { method: 'POST', headers: ['Host', 'x', ...headers] },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        answer.on('end', () => resolve({ status: answer.statusCode, code: JSON.parse(text).error.code }));
      },
    );
    asked.on('error', reject);
    asked.end(JSON.stringify(order()));
  });

test.each([
  ['key_missing', []],
  ['key_malformed', ['']],
  ['key_malformed', ['a', 'a']],
  ['key_malformed', ['a, b']],
  ['key_malformed', ['a b']],
  ['key_malformed', ['"a b"']],
  ['key_malformed', ['"open']],
  ['key_malformed', ['"bad\\escape"']],
  ['key_malformed', ['"k";age=3']],
  ['key_malformed', ['naïve']],
  ['key_malformed', ['k'.repeat(256)]],
] as const)('refuses as %s: %j, and nothing happens', async (code, lines) => {
  const { url } = await start();
  expect(await raw(url, [...lines])).toStrictEqual({ status: 400, code });
  expect(await get(`${url}/_sim/invoices`)).toStrictEqual([]);
});

test('a quoted key and a bare one are the same key', async () => {
  const { url } = await start();
  await post(`${url}/invoices`, order(), 'k'.repeat(255));
  expect((await post(`${url}/invoices`, order(), `"${'k'.repeat(255)}"`)).isReplay).toBe(true);
  expect(await get(`${url}/_sim/invoices`)).toHaveLength(1);
});

test.each([{ studentId: 'bob' }, { reference: 'enr_2' }])(
  'a key that comes back with %j is refused without an effect',
  async (more) => {
    const { url } = await start();
    await post(`${url}/invoices`, order(), 'k');
    const other = await post(`${url}/invoices`, order(more), 'k');
    expect([other.status, other.body.error.code]).toStrictEqual([422, 'key_reused']);
    expect(await get(`${url}/_sim/invoices`)).toHaveLength(1);
  },
);

test('a key belongs to the path it was used for', async () => {
  const { url } = await start();
  const { body } = await post(`${url}/invoices`, order(), 'k');
  const other = await post(`${url}/invoices/${body.id}/void`, {}, 'k');
  expect([other.status, other.body.error.code]).toStrictEqual([422, 'key_reused']);
  expect(await get(`${url}/_sim/invoices?state=open`)).toHaveLength(1);
});

test('while one is at work, nineteen others are in flight; it alone has the effect', async () => {
  const { url, setFaults } = await start('roster');
  setFaults({ stallMs: 60_000 });
  const first = post(`${url}/seats`, order(), 'k');
  while ((await get(`${url}/_sim/requests?idempotencyKey=k`)).length === 0);
  const others = await Promise.all(Array.from({ length: 19 }, () => post(`${url}/seats`, order(), 'k')));
  expect(others.map(({ status, body }) => [status, body.error.code])).toStrictEqual(
    Array(19).fill([409, 'in_flight']),
  );
  setFaults({});
  expect((await first).status).toBe(201);
  expect(await get(`${url}/_sim/seats`)).toHaveLength(1);
});

test('a key in flight with another request is reused, not in flight', async () => {
  const { url, setFaults } = await start();
  setFaults({ stallMs: 60_000 });
  const first = post(`${url}/invoices`, order(), 'k');
  while ((await get(`${url}/_sim/requests?idempotencyKey=k`)).length === 0);
  expect((await post(`${url}/invoices`, order({ studentId: 'bob' }), 'k')).status).toBe(422);
  setFaults({});
  expect((await first).status).toBe(201);
});

test('a business refusal is kept: making room later does not change the answer to that key', async () => {
  const { url } = await start('roster', { capacity: 0 });
  const first = await post(`${url}/seats`, order(), 'k');
  await fetch(`${url}/_sim/courses`, { method: 'PUT', body: '{"courseId":"algebra","capacity":1}' });
  const second = await post(`${url}/seats`, order(), 'k');
  expect([first.status, first.body.error.code]).toStrictEqual([409, 'course_full']);
  expect(second).toStrictEqual({ ...first, isReplay: true });
  expect((await post(`${url}/seats`, order(), 'other')).status).toBe(201);
});

test('what was refused for its form is not kept', async () => {
  const { url } = await start();
  const wrong = await post(`${url}/invoices`, { ...order(), extra: 1 }, 'k');
  expect([wrong.status, wrong.body.error.code]).toStrictEqual([400, 'invalid_request']);
  expect((await post(`${url}/invoices`, 'not json', 'k')).status).toBe(400);
  expect((await post(`${url}/invoices`, order(), 'k')).status).toBe(201);
});

test('a key is remembered for 24 hours and then free again', async () => {
  let time = 1_700_000_000_000;
  const { url } = await start('billing', { now: () => time });
  await post(`${url}/invoices`, order(), 'k');
  time += 86_399_999;
  expect((await post(`${url}/invoices`, order(), 'k')).isReplay).toBe(true);
  time += 1;
  expect((await post(`${url}/invoices`, order(), 'k')).isReplay).toBe(false);
  expect(await get(`${url}/_sim/invoices`)).toHaveLength(2);
});
