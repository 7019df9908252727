import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { Call, Campus } from './campus.ts';
import { createHttpCampus } from './http-campus.ts';

// The simulators can't be brought to say these things; proxies and other people's services can.
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

const answering = async (
  reply: (response: ServerResponse) => void,
): Promise<{ campus: Campus; seen: string[] }> => {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url} ${String(request.headers['idempotency-key'])}`);
    request.resume().on('end', () => reply(response));
  });
  servers.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/`;
  return { campus: createHttpCampus({ billingUrl: url, rosterUrl: url, timeoutMs: 500 }), seen };
};
const call = (): Call => ({ idempotencyKey: 'child', signal: new AbortController().signal });
const ORDER = { school: 'acme', studentId: 'ada', courseId: 'algebra', reference: 'enr_1' };
const error = (code: string) => JSON.stringify({ error: { code, message: '' } });

test.each([
  ['a page of a proxy', 409, '<html>'],
  ['a "no" that nobody has heard of', 409, error('closed_for_winter')],
  ['a "no" of another service', 409, error('account_on_hold')],
  ['an earlier request still at work', 409, error('in_flight')],
  ['a key that did something else', 422, error('key_reused')],
  ['a form that is not understood', 400, error('invalid_request')],
  ['no such address', 404, error('not_found')],
  ['too many requests', 429, '{}'],
  ['a refusal with the status of an outage', 503, error('course_full')],
  ['a success without the seat', 201, '{"id":"seat_1"}'],
  ['a success of another kind', 200, '{"id":"seat_1","seat":0}'],
  ['a success that is no JSON', 200, ''],
  ['another address', 307, ''],
])('%s is no definite answer', async (_what, status, body) => {
  const { campus, seen } = await answering((response) =>
    response.writeHead(status, status === 307 ? { location: '/elsewhere' } : {}).end(body),
  );
  await expect(campus.takeSeat(ORDER, call())).rejects.toThrow('The roster service gave no definite answer');
  expect(seen).toStrictEqual(['POST /api/seats "child"']); // once: no repetition by itself, no redirect followed
});

test('an answer that stops in the middle is none', async () => {
  const { campus } = await answering((response) => {
    response.writeHead(201, { 'content-length': 100 }).write('{"id":"inv_1"');
  });
  await expect(campus.invoice(ORDER, call())).rejects.toThrow('The billing service gave no definite answer');
});

test('nobody there is no answer', async () => {
  const nowhere = 'http://127.0.0.1:9';
  const campus = createHttpCampus({ billingUrl: nowhere, rosterUrl: nowhere, timeoutMs: 500 });
  await expect(campus.invoice(ORDER, call())).rejects.toThrow('The billing service gave no definite answer');
});

test('an attempt that was overtaken stops waiting', async () => {
  const overtaken = new AbortController();
  const { campus } = await answering(() => overtaken.abort());
  await expect(campus.invoice(ORDER, { ...call(), signal: overtaken.signal })).rejects.toThrow('billing');
});

test.each([
  [409, error('already_void')],
  [200, '{"id":"inv_1"}'],
])('what is to be void, and answers %i, is void', async (status, body) => {
  const { campus, seen } = await answering((response) => response.writeHead(status).end(body));
  expect(await campus.voidInvoice('inv/1', call())).toStrictEqual({ kind: 'void' });
  expect(seen).toStrictEqual(['POST /api/invoices/inv%2F1/void "child"']);
});
