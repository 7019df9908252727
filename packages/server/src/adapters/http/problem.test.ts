import { createProblem, parseIdempotencyProblem } from '@semel/contract/v1/pure';
import { expect, test } from 'vitest';
import { plainProblem, problemDocument, problemResponse } from './problem.ts';

test('a problem document has the members of RFC 9457 and those of the contract side by side', () => {
  const problem = createProblem('in_flight', { operationId: 'op', attempt: 2, retryAfterMs: 1500 });
  const document = problemDocument(problem, { detail: 'wait' });
  expect(document).toEqual({
    type: 'urn:semel:problem:in_flight',
    title: 'A request is outstanding for this Idempotency-Key',
    status: 409,
    detail: 'wait',
    contract: 1,
    code: 'in_flight',
    operationId: 'op',
    attempt: 2,
    retryAfterMs: 1500,
    retryable: true,
  });
  expect(parseIdempotencyProblem(document)).toEqual(problem);
});

test("key_reused takes its policy's other status, and no code any status that its row doesn't have", () => {
  expect(problemDocument(createProblem('key_reused')).status).toBe(422);
  expect(problemDocument(createProblem('key_reused'), { status: 409 }).status).toBe(409);
  expect(problemDocument(createProblem('key_missing'), { status: 422 }).status).toBe(400);
});

test('the answer says after how long, about which operation, where to read, and that no cache may keep it', async () => {
  const problem = createProblem('in_flight', { operationId: 'op', retryAfterMs: 1200 });
  const response = problemResponse(problem, { docs: 'https://docs.example/problems' });
  expect(response.status).toBe(409);
  expect(Object.fromEntries(response.headers)).toEqual({
    'cache-control': 'private, no-store',
    'content-length': '199',
    'content-type': 'application/problem+json',
    'idempotency-operation': 'op',
    link: '<https://docs.example/problems#in_flight>; rel="describedby"; type="text/html"',
    'retry-after': '2',
    vary: 'Accept',
  });
  expect(await response.json()).toMatchObject({ code: 'in_flight', status: 409 });
});

test.each([
  [undefined, 'application/problem+json'],
  [null, 'application/problem+json'],
  ['*/*', 'application/problem+json'],
  ['application/*', 'application/problem+json'],
  ['application/json', 'application/json'],
  ['application/json, application/problem+json', 'application/problem+json'],
  ['application/json, application/problem+json;q=0.5', 'application/json'],
  ['application/problem+json;q=0, application/json', 'application/json'],
  ['text/plain', 'text/plain; charset=utf-8'],
  ['text/*;q=0.5, application/json;q=0.1', 'text/plain; charset=utf-8'],
  ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'application/problem+json'],
  ['image/png', 'application/problem+json'],
  ['application/json;q=nonsense', 'application/problem+json'],
  ['', 'application/problem+json'],
  [',;,;q=,', 'application/problem+json'],
  [`${'x,'.repeat(5000)}text/plain`, 'application/problem+json'],
])('a caller that accepts %j gets %s', (accept, type) => {
  expect(problemResponse(createProblem('key_missing'), { accept }).headers.get('content-type')).toBe(type);
});

test('as text a problem says what it is in lines', async () => {
  const response = problemResponse(createProblem('store_unavailable'), { accept: 'text/plain' });
  expect(await response.text()).toBe(
    'The store of operations is unavailable and nothing was begun\ncode: store_unavailable\nretry after: 2000 ms\n',
  );
});

test("a refusal that isn't the contract's is a problem document too", async () => {
  const response = plainProblem(413, 'Too large', 'Up to 5 bytes', { headers: { Allow: 'GET' } });
  expect([response.status, response.headers.get('allow')]).toEqual([413, 'GET']);
  expect(await response.json()).toEqual({
    type: 'about:blank',
    title: 'Too large',
    status: 413,
    detail: 'Up to 5 bytes',
  });
});
