import { request } from 'node:http';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createRig, type Rig } from '../testing/rig.ts';
import type {} from '../testing/vitest-context.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await createRig(inject('databaseUrl'), { maxInFlight: 1, corsOrigins: ['https://shop.example'] });
});
afterAll(() => rig.close());

const get = (headers: Record<string, string> = {}) => fetch(`${rig.server.url}/openapi.json`, { headers });

/** `fetch` lets nobody offer another protocol. */
const offering = (upgrade: string) =>
  new Promise((resolve, reject) => {
    const headers = { connection: 'Upgrade', upgrade };
    request(`${rig.server.url}/openapi.json`, { headers }, (answer) => resolve(answer.resume().statusCode))
      .on('error', reject)
      .end();
  });

test('at its limit a server says so to web pages too, and to who offers another protocol', async () => {
  const slow = fetch(`${rig.server.url}/v1/payments`, {
    method: 'POST',
    headers: {
      authorization: 'Bearer sk_demo_acme',
      'content-type': 'application/json',
      'idempotency-key': 'slow',
    },
    body: JSON.stringify({ amount: 100, currency: 'EUR', customer: 'cus_slow' }),
  });
  await expect.poll(async () => (await get()).status).toBe(503);
  const { status, headers } = await get({ origin: 'https://shop.example' });
  expect([status, headers.get('access-control-allow-origin')]).toEqual([503, 'https://shop.example']);
  expect(headers.get('access-control-expose-headers')).toContain('Retry-After');
  expect(await offering('h2c')).toBe(503);
  expect((await slow).status).toBe(201);
});
