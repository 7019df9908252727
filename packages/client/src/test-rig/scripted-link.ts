import { createProblem, type ProblemCode, type ProblemFields } from '@semel/contract/v1/pure';
import type { Operation, TRPCLink } from '@trpc/client';
import { TRPCClientError } from '@trpc/client';
import { observable } from '@trpc/server/observable';
import { carriedBy } from '../adapters/carrier.ts';

/** What a terminating link answers: data, an error, or nothing at all. */
export type Scripted = { data: unknown } | { error: unknown } | 'silence';

/** A tRPC error that carries a problem of the contract, as the server's formatter shapes it. */
export const problemError = (code: ProblemCode, fields: ProblemFields = {}) =>
  TRPCClientError.from({
    error: {
      code: -32009,
      message: code,
      data: { code: 'CONFLICT', httpStatus: 409, idempotency: createProblem(code, fields) },
    },
  });

export const trpcError = (httpStatus: number) =>
  TRPCClientError.from({ error: { code: -32000, message: `status ${httpStatus}`, data: { httpStatus } } });

export const networkError = () => TRPCClientError.from(new TypeError('fetch failed'));

/** A terminating link for schedules: answers at once, in order, the last line again and again. */
export function scriptedLink(script: Scripted[]) {
  const sent: {
    path: string;
    type: string;
    key: string | undefined;
    ageMs: number | undefined;
    op: Operation;
  }[] = [];
  let unsubscribed = 0;
  const link: TRPCLink<never> =
    () =>
    ({ op }) =>
      observable((observer) => {
        const line = script[Math.min(sent.length, script.length - 1)] ?? 'silence';
        const carried = carriedBy(op);
        if (carried) carried.place = 'true';
        sent.push({ path: op.path, type: op.type, key: carried?.key, ageMs: carried?.ageMs, op });
        if (line === 'silence') return () => void unsubscribed++;
        queueMicrotask(() => {
          if ('error' in line) return observer.error(line.error as never);
          observer.next({ result: { type: 'data', data: line.data } });
          observer.complete();
        });
        return () => {};
      });
  return {
    link,
    sent,
    get unsubscribed() {
      return unsubscribed;
    },
  };
}
