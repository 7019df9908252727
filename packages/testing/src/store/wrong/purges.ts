import type { PurgeSelection } from '@semel/server/store';
import { mistaken, type WrongStore } from './wrong-store.ts';

const loosened = (select: PurgeSelection): PurgeSelection =>
  'scope' in select ? { scopePrefix: select.scope } : select;

/** Mistakes in erasing. */
export const wrongPurges: readonly WrongStore[] = [
  {
    mistake: 'takes a scope for a prefix when it purges',
    caughtBy: ['purges a scope and no neighbour, whatever the names look like'],
    make: mistaken((right) => ({
      purge: (request) => right.purge({ ...request, select: loosened(request.select) }),
    })),
  },
  {
    mistake: 'leaves no audit row of a purge',
    caughtBy: ['keeps who purged an operation, when and why, also when it has expired and is gone'],
    make: mistaken(() => ({ purged: async () => undefined })),
  },
  {
    mistake: 'keeps the recovery points of what it purges',
    caughtBy: [
      'erases outcome, fingerprint and recovery points of a settled operation, and nothing else of it',
    ],
    make: mistaken((right) => {
      const kept = new Map<string, Awaited<ReturnType<typeof right.steps>>>();
      return {
        async purge(request) {
          if ('operationId' in request.select) {
            const { operationId } = request.select;
            kept.set(operationId, await right.steps(operationId));
          }
          return right.purge(request);
        },
        steps: async (id) => kept.get(id) ?? right.steps(id),
      };
    }),
  },
  {
    mistake: 'keeps the evidence of what it purges',
    caughtBy: [
      'erases what late owners brought, also what they bring after the purge, and keeps that they came',
    ],
    make: mistaken((right) => {
      const kept = new Map<string, Awaited<ReturnType<typeof right.rejected>>>();
      return {
        async purge(request) {
          if ('operationId' in request.select) {
            const { operationId } = request.select;
            kept.set(operationId, await right.rejected(operationId));
          }
          return right.purge(request);
        },
        rejected: async (id) => kept.get(id) ?? right.rejected(id),
      };
    }),
  },
  {
    mistake: 'forgets a purged operation, so that it could run again',
    caughtBy: ['a purged operation stays settled: it can not be claimed, taken or settled otherwise'],
    make: mistaken((right) => {
      const gone = new Set<string>();
      return {
        async purge(request) {
          const report = await right.purge(request);
          for (const id of report.purged) gone.add(id);
          return report;
        },
        async claim(request) {
          const result = await right.claim(request);
          if (result.won || !gone.has(result.record.operationId)) return result;
          return { won: true, claim: { ...request, ...result.record, now: result.now } };
        },
      };
    }),
  },
  {
    mistake: 'says nothing about what had been purged before',
    caughtBy: ['names what had been purged before, so that whoever keeps copies can be told again'],
    make: mistaken((right) => ({
      purge: async (request) => ({ ...(await right.purge(request)), purgedBefore: [] }),
    })),
  },
  {
    mistake: 'names nobody whose operation it left alone',
    caughtBy: ['leaves unsettled operations alone, and names them'],
    make: mistaken((right) => ({
      purge: async (request) => ({ ...(await right.purge(request)), unsettled: [] }),
    })),
  },
  {
    mistake: 'purges everything in one call',
    caughtBy: ['looks at no more than the limit in one call, and at everything in the end'],
    make: mistaken((right) => ({ purge: (request) => right.purge({ ...request, limit: 1_000_000 }) })),
  },
  {
    mistake: 'stops a purge after its first batch',
    caughtBy: ['looks at no more than the limit in one call, and at everything in the end'],
    make: mistaken((right) => ({
      async purge(request) {
        const { next: _, ...report } = await right.purge(request);
        return report;
      },
    })),
  },
];
