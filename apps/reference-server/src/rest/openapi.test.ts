import { spawnSync } from 'node:child_process';
import { PROBLEM_CODES } from '@semel/contract/v1/pure';
import { createMemoryJobs, createMemoryStore, createSemel } from '@semel/server';
import { trpcIdempotency } from '@semel/server/trpc';
import { Validator } from '@seriousme/openapi-schema-validator';
import { expect, test } from 'vitest';
import { z } from 'zod';
import type { Parts } from '../procedures/parts.ts';
import { createRouter } from '../procedures/router.ts';
import { t } from '../procedures/trpc.ts';
import { readSettings } from '../settings.ts';
import { openApiDocument } from './openapi.ts';
import type { RestRoute } from './route.ts';
import { restOperations } from './routes.ts';

const semel = createSemel({ store: createMemoryStore(), jobs: createMemoryJobs(), recovery: false });
const idempotent = trpcIdempotency({ semel, scope: () => 'nobody' });
// Defining procedures calls none of the parts.
const router = createRouter({ idempotent, settings: readSettings({}) } as unknown as Parts);
const operations = restOperations(router);
const document = openApiDocument(operations) as {
  paths: Record<
    string,
    Record<string, { operationId: string; responses: Record<string, unknown>; security?: unknown }>
  >;
  components: { schemas: Record<string, { required?: string[]; properties?: Record<string, unknown> }> };
};
const copy = () => JSON.parse(JSON.stringify(document));

test('the document is valid OpenAPI 3.1', async () => {
  const validator = new Validator();
  expect(await validator.validate(copy())).toStrictEqual({ valid: true });
  expect(validator.version).toBe('3.1');
  const broken = copy();
  broken.paths['/v1/orders'].post.parameters = 'none';
  expect((await new Validator().validate(broken)).valid).toBe(false);
});

const hasSecondOpinion = spawnSync('python3', ['-c', 'import openapi_spec_validator']).status === 0;
test.runIf(hasSecondOpinion)('another validator, in Python, finds it valid too', () => {
  const script =
    'import json, sys, openapi_spec_validator as v; v.validate(json.load(sys.stdin)); print("valid")';
  const { stdout, stderr } = spawnSync('python3', ['-c', script], {
    input: JSON.stringify(document),
    encoding: 'utf8',
  });
  expect([stdout, stderr.split('\n').filter((line) => line.includes('Error'))]).toStrictEqual([
    'valid\n',
    [],
  ]);
});

test('every procedure has a route, and every route an operation of its own', () => {
  // A subscription has no REST form.
  const procedures = Object.entries(
    router._def.procedures as unknown as Record<string, { _def: { type: string } }>,
  )
    .filter(([, { _def }]) => _def.type !== 'subscription')
    .map(([path]) => path);
  expect(new Set(operations.map(({ procedure }) => procedure))).toStrictEqual(new Set(procedures));
  const ids = Object.values(document.paths).flatMap((methods) =>
    Object.values(methods).map((o) => o.operationId),
  );
  expect(ids.toSorted()).toStrictEqual([
    'enrollmentsCreate',
    'idempotencyStatus',
    'idempotencyStatusByKey',
    'ordersCreate',
    'paymentsCreate',
    'paymentsGet',
    'paymentsList',
    'payoutsCreate',
  ]);
});

test('a creation declares the key, what a replay carries, and every code of the contract', () => {
  const create = document.paths['/v1/payments']?.post;
  const text = JSON.stringify(create);
  for (const code of PROBLEM_CODES)
    expect(text).toContain(`"${code}":{"value":{"type":"urn:semel:problem:${code}"`);
  expect(create).toMatchObject({
    parameters: [
      { $ref: '#/components/parameters/IdempotencyKey' },
      { $ref: '#/components/parameters/IdempotencyContract' },
    ],
    requestBody: {
      content: { 'application/json': { schema: { $ref: '#/components/schemas/PaymentRequest' } } },
    },
    responses: {
      201: {
        headers: {
          'Idempotency-Replayed': { $ref: '#/components/headers/IdempotencyReplayed' },
          'Idempotency-Operation': { $ref: '#/components/headers/IdempotencyOperation' },
        },
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Payment' } } },
      },
      409: { headers: { 'Retry-After': { $ref: '#/components/headers/RetryAfter' } } },
      503: { headers: { 'Retry-After': { $ref: '#/components/headers/RetryAfter' } } },
    },
  });
  expect(Object.keys(create?.responses ?? {})).toStrictEqual([
    '201',
    '400',
    '401',
    '402',
    '403',
    '406',
    '409',
    '413',
    '415',
    '422',
    '429',
    '500',
    '502',
    '503',
  ]);
});

test('what is queued says that it answers 202 first, where to ask and with which body', () => {
  const create = document.paths['/v1/payouts']?.post;
  expect(create?.responses).toMatchObject({
    201: { content: { 'application/json': { schema: { $ref: '#/components/schemas/Payout' } } } },
    202: {
      headers: {
        Location: { $ref: '#/components/headers/Location' },
        'Retry-After': { $ref: '#/components/headers/RetryAfter' },
        'Idempotency-Operation': { $ref: '#/components/headers/IdempotencyOperation' },
        'Cache-Control': { $ref: '#/components/headers/CacheControl' },
      },
      content: { 'application/json': { schema: { $ref: '#/components/schemas/AcceptedBody' } } },
    },
  });
  expect(document.components.schemas.AcceptedBody?.required).toStrictEqual([
    '$idempotency',
    'operationId',
    'pollAfterMs',
  ]);
  const accepting = Object.values(document.paths).flatMap((methods) =>
    Object.values(methods).flatMap(({ operationId, responses }) => ('202' in responses ? [operationId] : [])),
  );
  expect(accepting).toStrictEqual(['payoutsCreate']);
});

test("schemas are the procedures' own, and stay open for members that come later", () => {
  expect(document.components.schemas.OrderRequest).toStrictEqual({
    type: 'object',
    properties: {
      sku: { type: 'string', minLength: 1, maxLength: 100 },
      quantity: { type: 'integer', minimum: 1, maximum: 1_000_000 },
    },
    required: ['sku', 'quantity'],
  });
  expect(document.components.schemas.PaymentRequest?.required).toStrictEqual([
    'amount',
    'currency',
    'customer',
  ]);
  expect(JSON.stringify(document)).not.toContain('additionalProperties');
});

test('the parameters of a query are those of its input', () => {
  expect(document.paths['/v1/payments']?.get).toMatchObject({
    parameters: [
      { name: 'limit', in: 'query', required: false, schema: { type: 'integer', minimum: 1, maximum: 100 } },
    ],
  });
  expect(document.paths['/v1/payments/{id}']?.get).toMatchObject({
    parameters: [{ name: 'id', in: 'path', required: true }],
  });
  expect(document.paths['/idempotency/operations']?.get).toMatchObject({
    parameters: [
      { name: 'procedure', in: 'query', required: true },
      { $ref: '#/components/parameters/AskedKey' },
    ],
  });
});

const input = z.object({ id: z.string(), note: z.string() });
const declared = (rest: RestRoute, kind: 'query' | 'mutation' = 'mutation') => {
  const chain = t.procedure.meta({ rest }).input(input).output(input);
  return kind === 'query' ? chain.query(({ input }) => input) : chain.mutation(({ input }) => input);
};
const summary = 'x';

test.each([
  ['a mutation under GET', { a: declared({ method: 'GET', path: '/a', summary }) }, 'needs POST'],
  [
    'a name that is not in the input',
    { a: declared({ method: 'POST', path: '/a/{nr}', summary }) },
    'names nr',
  ],
  [
    'two procedures on one route',
    {
      a: declared({ method: 'GET', path: '/a/{id}', summary }, 'query'),
      b: declared({ method: 'GET', path: '/a/{note}', summary }, 'query'),
    },
    "another procedure's route",
  ],
  [
    'no output parser',
    {
      a: t.procedure
        .meta({ rest: { method: 'POST', path: '/a', summary } })
        .input(input)
        .mutation(() => 1),
    },
    'needs zod schemas',
  ],
])('%s is refused before the server starts', (_, procedures, message) => {
  expect(() => restOperations(t.router(procedures))).toThrow(message);
});

test('a member in the path is not in the body', () => {
  const a = declared({ method: 'POST', path: '/a/{id}', summary });
  expect(openApiDocument(restOperations(t.router({ a })))).toMatchObject({
    paths: {
      '/a/{id}': {
        post: {
          parameters: [{ name: 'id', in: 'path', required: true }],
          requestBody: {
            content: {
              'application/json': {
                schema: { type: 'object', properties: { note: { type: 'string' } }, required: ['note'] },
              },
            },
          },
        },
      },
    },
  });
});
