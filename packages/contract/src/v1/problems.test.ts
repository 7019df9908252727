import { readFileSync } from 'node:fs';
import { TRPCError } from '@trpc/server';
import { getHTTPStatusCodeFromError } from '@trpc/server/http';
import { describe, expect, it } from 'vitest';
import {
  createProblem,
  firstProblem,
  PROBLEM_CODES,
  parseIdempotencyProblem,
  problemCodesOfHttpStatus,
  problemCodesOfTrpcCode,
  problemRow,
} from './problems.ts';
import { markdownProblems } from './problems-derived.ts';

const golden: { code: string }[] = JSON.parse(
  readFileSync(new URL('../../golden/v1/problems.json', import.meta.url), 'utf8'),
);

describe('the table', () => {
  it('is that of the golden file', () => {
    const rows = PROBLEM_CODES.map((code) => {
      const { title: _, clientAction: __, retryAfterMs: ___, ...row } = problemRow(code);
      return { code, ...row };
    });
    expect(rows).toEqual(golden);
  });

  it('reads from HTTP to codes', () => {
    const codes = Object.fromEntries(
      [400, 409, 422, 503, 500].map((status) => [status, problemCodesOfHttpStatus(status)]),
    );
    expect(codes).toEqual({
      400: ['contract_unsupported', 'key_malformed', 'key_missing'],
      409: ['key_reused', 'outcome_gone', 'key_expired', 'outcome_unknown', 'in_flight', 'lease_lost'],
      422: ['key_reused'],
      503: ['store_unavailable'],
      500: [],
    });
  });

  it('reads from tRPC to codes', () => {
    expect(problemCodesOfTrpcCode('BAD_REQUEST')).toEqual([
      'contract_unsupported',
      'key_malformed',
      'key_missing',
    ]);
    expect(problemCodesOfTrpcCode('CONFLICT')).toEqual(problemCodesOfHttpStatus(409));
    expect(problemCodesOfTrpcCode('UNPROCESSABLE_CONTENT')).toEqual(['key_reused']);
    expect(problemCodesOfTrpcCode('SERVICE_UNAVAILABLE')).toEqual(['store_unavailable']);
    expect(problemCodesOfTrpcCode('NOT_FOUND')).toEqual([]);
  });

  it('reads both ways to the same', () => {
    for (const code of PROBLEM_CODES) {
      const row = problemRow(code);
      for (const way of [row, ...(row.alternative ? [row.alternative] : [])]) {
        expect(problemCodesOfHttpStatus(way.httpStatus)).toContain(code);
        expect(problemCodesOfTrpcCode(way.trpcCode)).toContain(code);
      }
    }
  });

  it("agrees with tRPC's own mapping from code to HTTP status", () => {
    for (const code of PROBLEM_CODES) {
      const row = problemRow(code);
      for (const { httpStatus, trpcCode } of [row, ...(row.alternative ? [row.alternative] : [])]) {
        expect(getHTTPStatusCodeFromError(new TRPCError({ code: trpcCode as TRPCError['code'] }))).toBe(
          httpStatus,
        );
      }
    }
  });

  it('says after how long exactly where a retry makes sense', () => {
    for (const code of PROBLEM_CODES) {
      const row = problemRow(code);
      expect(row.retryAfterMs !== undefined).toBe(row.retryable);
      expect(row.retry !== 'never').toBe(row.retryable);
    }
    expect(PROBLEM_CODES.filter((code) => problemRow(code).retryable)).toEqual([
      'store_unavailable',
      'outcome_unknown',
      'in_flight',
      'lease_lost',
    ]);
  });

  it('answers the first of several by precedence', () => {
    expect(firstProblem(['in_flight', 'key_reused', 'key_missing'])).toBe('key_missing');
    expect(firstProblem(['key_missing', 'key_malformed', 'contract_unsupported'])).toBe(
      'contract_unsupported',
    );
    expect(firstProblem(['outcome_unknown', 'outcome_gone', 'key_reused'])).toBe('key_reused');
    expect(firstProblem(['key_reused', 'store_unavailable'])).toBe('store_unavailable');
    expect(firstProblem([])).toBeUndefined();
  });

  it('is a markdown table with a line a code', () => {
    const lines = markdownProblems().split('\n');
    expect(lines).toHaveLength(12);
    expect(lines[6]).toBe(
      '| 5 | [`key_reused`](#key_reused) | 422 (policy: 409) | UNPROCESSABLE_CONTENT / CONFLICT | never | no | — | never retries, never renews the key by itself |',
    );
  });
});

describe('making a problem', () => {
  it('takes retryable from the table and fills in a pause', () => {
    expect(createProblem('key_reused')).toEqual({ contract: 1, code: 'key_reused', retryable: false });
    expect(createProblem('in_flight')).toEqual({
      contract: 1,
      code: 'in_flight',
      retryAfterMs: 1000,
      retryable: true,
    });
    expect(createProblem('in_flight', { retryAfterMs: 0, attempt: 2, state: 'processing' })).toEqual({
      contract: 1,
      code: 'in_flight',
      retryAfterMs: 0,
      attempt: 2,
      state: 'processing',
      retryable: true,
    });
  });
});

describe('reading a problem', () => {
  const problem = createProblem('in_flight', {
    operationId: 'op_1',
    state: 'processing',
    attempt: 2,
    expiresAt: '2026-01-01T00:00:00.000Z',
    retryAfterMs: 250,
  });

  it.each<[string, unknown]>([
    ['the object itself', problem],
    [
      'a problem+json document',
      { type: 'urn:semel:problem:in_flight', title: 'x', status: 409, detail: 'y', ...problem },
    ],
    [
      'a tRPC client error',
      Object.assign(new Error('x'), { data: { code: 'CONFLICT', httpStatus: 409, idempotency: problem } }),
    ],
    [
      'a tRPC error envelope',
      { error: { code: -32009, message: 'x', data: { code: 'CONFLICT', idempotency: problem } } },
    ],
    [
      'the same, serialised by superjson',
      { error: { json: { code: -32009, message: 'x', data: { idempotency: problem } } } },
    ],
    ['what JSON makes of it', JSON.parse(JSON.stringify({ error: { data: { idempotency: problem } } }))],
  ])('finds it in %s', (_, value) => {
    expect(parseIdempotencyProblem(value)).toStrictEqual(problem);
  });

  const self: { data?: unknown } = {};
  self.data = self;
  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a string', 'in_flight'],
    ['an app error with the same code', { code: 'in_flight' }],
    ['another contract', { ...problem, contract: 2 }],
    ['an unknown code', { ...problem, code: 'key_stolen' }],
    ["a name of an object's own methods", { ...problem, code: 'toString' }],
    ['a cycle', self],
    ['an array', [problem]],
  ])('finds none in %s', (_, value) => {
    expect(parseIdempotencyProblem(value)).toBeUndefined();
  });

  it('drops members that it can not read, and keeps the code', () => {
    const half = {
      contract: 1,
      code: 'key_reused',
      operationId: 7,
      state: 'x',
      attempt: -1,
      expiresAt: 'soon',
      retryAfterMs: '5',
    };
    expect(parseIdempotencyProblem(half)).toStrictEqual({
      contract: 1,
      code: 'key_reused',
      retryable: false,
    });
  });
});
