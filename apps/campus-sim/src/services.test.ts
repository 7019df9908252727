import { afterEach, expect, test } from 'vitest';
import {
  type CampusService,
  type CampusServiceOptions,
  createCampusService,
  type ServiceName,
} from './campus-service.ts';
import { get, order, post, put } from './testing.ts';

const services: CampusService[] = [];
const start = async (name: ServiceName, options: CampusServiceOptions = {}) => {
  const service = await createCampusService(name, options);
  services.push(service);
  return service;
};
afterEach(() => Promise.all(services.splice(0).map((service) => service.close())));

test('an invoice is counted under its reference, and can be made void once', async () => {
  const { url } = await start('billing', { now: () => 1_700_000_000_500 });
  const { body: invoice } = await post(`${url}/invoices`, order(), 'k');
  expect(invoice).toStrictEqual({
    id: expect.stringMatching(/^inv_[\da-f-]{36}$/),
    school: 'acme',
    studentId: 'ada',
    courseId: 'algebra',
    reference: 'enr_1',
    amount: 12_000,
    currency: 'EUR',
    state: 'open',
    idempotencyKey: 'k',
    createdAt: '2023-11-14T22:13:20.500Z',
  });
  const voided = await post(`${url}/invoices/${invoice.id}/void`, {}, 'v');
  expect([voided.status, voided.body.state]).toStrictEqual([200, 'void']);
  expect((await post(`${url}/invoices/${invoice.id}/void`, {}, 'v')).isReplay).toBe(true);
  expect((await post(`${url}/invoices/${invoice.id}/void`, {}, 'w')).body.error.code).toBe('already_void');
  expect((await post(`${url}/invoices/inv_none/void`, {}, 'x')).status).toBe(404);
  expect(await get(`${url}/_sim/invoices?reference=enr_1`)).toStrictEqual([{ ...invoice, state: 'void' }]);
  expect(await get(`${url}/_sim/invoices?reference=enr_1&state=open`)).toStrictEqual([]);
});

test('billing hides nothing: another key is another invoice', async () => {
  const { url } = await start('billing');
  await post(`${url}/invoices`, order(), 'k1');
  await post(`${url}/invoices`, order(), 'k2');
  expect(await get(`${url}/_sim/invoices?reference=enr_1`)).toHaveLength(2);
});

test('an account on hold is refused with 402 and no invoice', async () => {
  const { url } = await start('billing');
  await put(`${url}/_sim/holds`, { school: 'acme', studentId: 'ada', on: true });
  expect((await post(`${url}/invoices`, order())).body.error.code).toBe('account_on_hold');
  expect((await post(`${url}/invoices`, order({ school: 'globex' }))).status).toBe(201);
  await put(`${url}/_sim/holds`, { school: 'acme', studentId: 'ada', on: false });
  expect((await post(`${url}/invoices`, order())).status).toBe(201);
});

test('seats are numbered from 1 until the course is full, for each school its own', async () => {
  const { url } = await start('roster', { capacity: 2 });
  const seat = async (studentId: string, school = 'acme') =>
    (await post(`${url}/seats`, order({ studentId, school }))).body;
  const ada = await seat('ada');
  expect([ada.seat, (await seat('bob')).seat]).toStrictEqual([1, 2]);
  expect((await seat('cleo')).error.code).toBe('course_full');
  expect((await seat('cleo', 'globex')).seat).toBe(1);
  await post(`${url}/seats/${ada.id}/release`, {});
  expect((await seat('dan')).seat).toBe(1);
  expect(await get(`${url}/_sim/seats?school=acme&state=taken`)).toHaveLength(2);
});

test('a student has one seat in a course', async () => {
  const { url } = await start('roster');
  await post(`${url}/seats`, order());
  expect((await post(`${url}/seats`, order({ reference: 'enr_2' }))).body.error.code).toBe('already_seated');
  expect(await get(`${url}/_sim/seats`)).toHaveLength(1);
});

test.each([
  ['POST', '/_sim/faults', '{"loseAnswer":1}', 400],
  ['POST', '/_sim/faults', '{"status":409}', 400],
  ['POST', '/_sim/faults', 'nonsense', 400],
  ['PUT', '/_sim/courses', '{"courseId":"x"}', 400],
  ['PUT', '/_sim/holds', '{}', 404],
  ['POST', '/grades', '{}', 404],
])('%s %s with %s is %i', async (method, path, body, status) => {
  const { url } = await start('roster');
  expect((await fetch(url + path, { method, body, headers: { 'idempotency-key': 'k' } })).status).toBe(
    status,
  );
});

test('a body beyond 64 KB is 413', async () => {
  const { url } = await start('roster');
  expect((await post(`${url}/seats`, order({ reference: 'x'.repeat(70_000) }))).status).toBe(413);
});

test.each(['connection', 'body'] as const)('a lost answer (%s) has had its effect', async (loseHow) => {
  const { url, setFaults } = await start('billing');
  setFaults({ loseAnswers: 1, loseHow });
  await expect(post(`${url}/invoices`, order(), 'k')).rejects.toThrow();
  expect(await get(`${url}/_sim/invoices`)).toHaveLength(1);
  const again = await post(`${url}/invoices`, order(), 'k');
  expect([again.status, again.isReplay]).toStrictEqual([201, true]);
  expect(await get(`${url}/_sim/invoices`)).toHaveLength(1);
  expect(await get(`${url}/_sim/requests?idempotencyKey=k`)).toMatchObject([
    { status: 201, isReplay: false, delivered: 'lost' },
    { status: 201, isReplay: true, delivered: 'sent' },
  ]);
});

test('an answer that never comes has had its effect; a retry gets it', async () => {
  const { url, setFaults } = await start('roster');
  setFaults({ hangNext: 1 });
  const hanging = fetch(`${url}/seats`, {
    method: 'POST',
    headers: { 'idempotency-key': 'k' },
    body: JSON.stringify(order()),
  });
  hanging.catch(() => {});
  while ((await get(`${url}/_sim/requests?idempotencyKey=k`))[0]?.delivered !== 'never');
  expect((await post(`${url}/seats`, order(), 'k')).isReplay).toBe(true);
  expect(await get(`${url}/_sim/seats`)).toHaveLength(1);
});

test('told to fail, it does nothing and keeps nothing', async () => {
  const { url, setFaults } = await start('billing');
  setFaults({ failNext: 1, status: 503 });
  expect((await post(`${url}/invoices`, order(), 'k')).status).toBe(503);
  expect(await get(`${url}/_sim/invoices`)).toStrictEqual([]);
  expect((await post(`${url}/invoices`, order(), 'k')).isReplay).toBe(false);
});

test('a caller that hangs up before the effect does not stop it', async () => {
  const { url, setFaults } = await start('billing');
  setFaults({ stallMs: 60_000 });
  const hangUp = new AbortController();
  const call = fetch(`${url}/invoices`, {
    method: 'POST',
    headers: { 'idempotency-key': 'k' },
    body: JSON.stringify(order()),
    signal: hangUp.signal,
  });
  call.catch(() => {});
  while ((await get(`${url}/_sim/requests`)).length === 0);
  hangUp.abort();
  expect((await post(`${url}/invoices`, order(), 'k')).body.error.code).toBe('in_flight');
  setFaults({});
  while ((await get(`${url}/_sim/invoices`)).length === 0);
  expect((await post(`${url}/invoices`, order(), 'k')).isReplay).toBe(true);
});
