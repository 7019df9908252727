import type { ClaimRequest } from '@semel/server/store';
import { numberArray, textArray } from '../connections/array-literal.ts';
import type { Control } from '../connections/pools.ts';
import type { Statements } from '../statements/all.ts';
import { requestValues } from '../statements/record.ts';
import { type Kind, SINGLY } from './gathering.ts';
import { onePerOperation } from './one-per-operation.ts';

/** The store's clock if the operation is new, `undefined` if its identity (or its id) was taken. */
export function claimKind(control: Control, statements: Statements): Kind<ClaimRequest, number | undefined> {
  return {
    weigh: () => 0,

    async one(request) {
      const [row] = await control.run([statements.claim, requestValues(request)]);
      return row?.[0] as number | undefined;
    },

    async many(requests) {
      const first = new Set(onePerOperation(requests, ({ operationId }) => operationId));
      const rows = await control.run([statements.claimMany, claimManyValues([...first])]);
      const clocks = new Map(rows.map(([operationId, clock]) => [operationId, clock as number]));
      return requests.map((request) => (first.has(request) ? clocks.get(request.operationId) : SINGLY));
    },
  };
}

function claimManyValues(requests: readonly ClaimRequest[]): string[] {
  // Every process inserts in the same order, so no two can wait for each other.
  const rows = [...requests].sort(byIdentity);
  const policies = rows.map(({ policy }) => policy);
  return [
    textArray(rows.map(({ scope }) => scope)),
    textArray(rows.map(({ procedure }) => procedure)),
    textArray(rows.map(({ key }) => key)),
    textArray(rows.map(({ operationId }) => operationId)),
    textArray(rows.map(({ owner }) => owner)),
    textArray(rows.map(({ fingerprint }) => fingerprint)),
    textArray(policies.map(({ mode }) => mode)),
    textArray(policies.map(({ onCrash }) => onCrash)),
    numberArray(policies.map(({ leaseMs }) => leaseMs)),
    numberArray(policies.map(({ maxRunMs }) => maxRunMs)),
    numberArray(policies.map(({ maxAttempts }) => maxAttempts)),
    numberArray(policies.map(({ downstreamWindowMs }) => downstreamWindowMs)),
    numberArray(policies.map(({ ttlMs }) => ttlMs)),
    textArray(rows.map(({ trace }) => trace.actor)),
    textArray(rows.map(({ trace }) => trace.traceId)),
  ];
}

function byIdentity(a: ClaimRequest, b: ClaimRequest): number {
  return compare(a.key, b.key) || compare(a.procedure, b.procedure) || compare(a.scope, b.scope);
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
