import {
  createProblem,
  PROBLEM_CODES,
  type ProblemCode,
  parseIdempotencyProblem,
  problemRow,
} from '@semel/contract/v1/pure';
import { TRPCClientError } from '@trpc/client';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HttpAnswerError } from '../errors.ts';
import { networkError, problemError, trpcError } from '../test-rig/scripted-link.ts';
import { problemIn } from './problem.ts';
import { verdict } from './verdict.ts';

const of = (error: unknown) => verdict({ type: 'error', error });
const http = (status: number, headers: Record<string, string> = {}, body = '') =>
  new HttpAnswerError(status, new Headers(headers), body);
const underTrpc = (error: Error) => TRPCClientError.from(error);

describe('an answer that says it is the stored one', () => {
  const stored = (mark: string) => http(503, { 'Idempotency-Replayed': mark }, 'later');
  const retry = { type: 'retry', reason: 'server', retryAfterMs: undefined };

  it('is the last word, whatever its status', () => {
    const verdictAt = (place: string, mark: string) => verdict({ type: 'error', error: stored(mark) }, place);
    expect(verdictAt('true', 'true')).toEqual({ type: 'rejected', conclusive: true, problem: undefined });
    expect(verdictAt('2', '0, 2')).toMatchObject({ type: 'rejected', conclusive: true });
    expect(verdictAt('1', '0, 2')).toEqual(retry);
    expect(verdict({ type: 'error', error: stored('true') })).toEqual(retry);
  });
});

describe('a problem of the contract', () => {
  const types: Record<ProblemCode, string> = {
    key_missing: 'rejected',
    key_malformed: 'rejected',
    contract_unsupported: 'rejected',
    key_reused: 'rejected',
    key_expired: 'unknown',
    in_flight: 'wait',
    outcome_unknown: 'wait',
    lease_lost: 'wait',
    outcome_gone: 'unknown',
    store_unavailable: 'retry',
  };

  it.each(PROBLEM_CODES)('%s means the same in a tRPC error and a problem document', (code) => {
    expect(of(problemError(code)).type).toBe(types[code]);
    expect(of(http(409, {}, JSON.stringify(createProblem(code)))).type).toBe(types[code]);
  });

  it('is tried again exactly where the table says that it may be answered otherwise', () => {
    for (const code of PROBLEM_CODES) {
      const v = of(problemError(code));
      const again = v.type === 'wait' || v.type === 'retry';
      expect([code, again]).toEqual([code, problemRow(code).retryable]);
    }
  });

  it('that refuses the key is no answer to an earlier attempt, also one that this version doesn’t know', () => {
    for (const code of ['key_missing', 'key_malformed', 'contract_unsupported', 'key_reused', 'key_tired']) {
      const idempotency = { contract: 1, code, retryable: false };
      const error = TRPCClientError.from({
        error: { code: -32600, message: code, data: { httpStatus: 400, idempotency } },
      });
      expect(of(error)).toEqual({ type: 'rejected', conclusive: false, problem: idempotency });
    }
  });

  it('prefers the exact time in the body to the header', () => {
    const body = JSON.stringify(createProblem('in_flight', { retryAfterMs: 350 }));
    expect(of(http(409, { 'retry-after': '1' }, body))).toEqual({
      type: 'wait',
      reason: 'in_flight',
      retryAfterMs: 350,
    });
  });

  it('is found wherever the parser of the contract finds it', () => {
    for (const code of PROBLEM_CODES) {
      const problem = createProblem(code, { operationId: 'op', retryAfterMs: 7 });
      for (const shape of [
        problem,
        { type: 'x', title: 'y', status: 409, ...problem },
        { data: { idempotency: problem } },
        { error: { data: { idempotency: problem } } },
        { error: { json: { message: 'm', code: -32009, data: { code: 'CONFLICT', idempotency: problem } } } },
      ]) {
        expect(problemIn(shape)).toMatchObject(parseIdempotencyProblem(shape) as object);
      }
    }
  });
});

describe('an answer without a problem', () => {
  it.each([408, 425, 429, 499, 500, 502, 503, 504])('%i is sent again', (status) => {
    expect(of(trpcError(status))).toMatchObject({ type: 'retry', reason: 'server' });
    expect(of(underTrpc(http(status)))).toMatchObject({ type: 'retry', reason: 'server' });
  });

  it.each([400, 402, 404, 409, 410, 422])('%i from tRPC is a conclusive refusal', (status) => {
    expect(of(trpcError(status))).toEqual({ type: 'rejected', conclusive: true, problem: undefined });
  });

  it.each([401, 403])('%i is a refusal at the door', (status) => {
    expect(of(trpcError(status))).toMatchObject({ type: 'rejected', conclusive: false });
  });

  it('a 404 that is not tRPC’s comes from something in front of the server', () => {
    expect(of(underTrpc(http(404, {}, '<html>')))).toMatchObject({ type: 'rejected', conclusive: false });
    expect(of(http(404))).toMatchObject({ type: 'rejected', conclusive: true });
  });

  it('an error without status counts as the network’s, and so does an AbortError of the transport', () => {
    expect(of(networkError())).toEqual({ type: 'retry', reason: 'network', retryAfterMs: undefined });
    expect(of(underTrpc(new DOMException('aborted', 'AbortError')))).toMatchObject({ reason: 'network' });
    expect(of(underTrpc(new SyntaxError('Unexpected token <')))).toMatchObject({ reason: 'network' });
    expect(of({ message: 'Unknown error', cause: { type: 'close' } })).toMatchObject({ reason: 'network' });
    expect(of(undefined)).toMatchObject({ type: 'retry', reason: 'network' });
  });

  it('keeps Retry-After of an answer that is not tRPC’s', () => {
    expect(of(underTrpc(http(503, { 'retry-after': '3' }, 'busy')))).toMatchObject({ retryAfterMs: 3000 });
  });

  it('reads JSON-RPC’s internal error where the app’s formatter dropped the status', () => {
    const shaped = (code: number) => TRPCClientError.from({ error: { code, message: 'x', data: {} } });
    expect(of(shaped(-32603)).type).toBe('retry');
    expect(of(shaped(-32600)).type).toBe('rejected');
  });
});

it('a value and a timeout mean what they say', () => {
  expect(verdict({ type: 'value', value: undefined })).toEqual({ type: 'completed' });
  expect(verdict({ type: 'timeout' })).toEqual({ type: 'retry', reason: 'timeout' });
});

it('never throws, whatever arrives, and says the same twice', () => {
  fc.assert(
    fc.property(fc.anything({ maxDepth: 4 }), (error) => {
      expect(of(error)).toEqual(of(error));
    }),
  );
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 599 }), fc.string(), fc.string(), (status, after, text) => {
      const headers = new Headers();
      try {
        headers.set('retry-after', after);
      } catch {}
      const v = of(new HttpAnswerError(status, headers, text));
      return !('retryAfterMs' in v) || v.retryAfterMs === undefined || v.retryAfterMs >= 0;
    }),
  );
});
