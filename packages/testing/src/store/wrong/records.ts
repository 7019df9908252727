import type { OperationRecord } from '@semel/server/store';
import { mistaken, type WrongStore } from './wrong-store.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Mistakes in what is stored and shown: records, recovery points, history, evidence. */
export const wrongRecords: readonly WrongStore[] = [
  {
    mistake: 'reads a record in two statements',
    caughtBy: ['shows nobody a record that is half one state and half another'],
    make: mistaken((right) => ({
      async lookup(identity) {
        const first = await right.lookup(identity);
        await turn();
        const second = await right.lookup(identity);
        return first && second && { ...first, record: { ...first.record, owner: second.record.owner } };
      },
    })),
  },
  {
    mistake: 'replaces the fingerprint when an operation goes on',
    caughtBy: [
      'gives an operation whose lease ran out to the next attempt, and keeps all that it was claimed under',
      'gives a released operation to the next attempt under its first fingerprint',
    ],
    make: mistaken((right) => {
      const replaced = new Map<string, string>();
      return {
        async take(request, seen, cause) {
          const result = await right.take(request, seen, cause);
          if (!result.won) return result;
          replaced.set(result.claim.operationId, request.fingerprint);
          return { ...result, claim: { ...result.claim, fingerprint: request.fingerprint } };
        },
        async lookup(identity) {
          const found = await right.lookup(identity);
          const fingerprint = replaced.get(found?.record.operationId ?? '');
          return found && fingerprint !== undefined
            ? { ...found, record: { ...found.record, fingerprint } }
            : found;
        },
      };
    }),
  },
  {
    mistake: 'overwrites a settlement with the next one',
    caughtBy: [
      'refuses to settle a settled operation otherwise, and keeps what it has',
      'accepts exactly one of many different settlements at once',
    ],
    make: mistaken((right) => {
      const outcomes = new Map<string, string>();
      return {
        async settle(claim, settlement, trace) {
          if ('outcome' in settlement) outcomes.set(claim.operationId, settlement.outcome);
          const result = await right.settle(claim, settlement, trace);
          const own = (await right.lookup(claim))?.record.owner === claim.owner;
          return own ? { kind: 'settled' } : result;
        },
        async lookup(identity) {
          const found = await right.lookup(identity);
          const outcome = outcomes.get(found?.record.operationId ?? '');
          return found && outcome !== undefined && found.record.state === 'completed'
            ? { ...found, record: { ...found.record, outcome } }
            : found;
        },
      };
    }),
  },
  {
    mistake: 'lets suspended operations expire',
    caughtBy: ['suspends an operation without an outcome and without an expiry'],
    make: mistaken((right) => {
      const expiring = (record: OperationRecord): OperationRecord =>
        record.state === 'suspended'
          ? { ...record, expiresAt: record.updatedAt + record.policy.ttlMs }
          : record;
      return {
        async lookup(identity) {
          const found = await right.lookup(identity);
          return found && { ...found, record: expiring(found.record) };
        },
      };
    }),
  },
  {
    mistake: 'replaces a recovery point by the next of its name',
    caughtBy: ['keeps the first result of a name that the same attempt records again'],
    make: mistaken((right) => {
      const results = new Map<string, string>();
      return {
        recordStep: (claim, step, trace) => {
          results.set(claim.operationId + step.name, step.result);
          return right.recordStep(claim, step, trace);
        },
        async steps(id) {
          const steps = await right.steps(id);
          return steps.map((step) => ({ ...step, result: results.get(id + step.name) ?? step.result }));
        },
      };
    }),
  },
  {
    mistake: 'forgets recovery points when an attempt is released',
    caughtBy: ['keeps recovery points for the attempts after a release and after a takeover'],
    make: mistaken((right) => ({
      async steps(id) {
        const found = await right.find(id);
        return (await right.steps(id)).filter((step) => step.attempt === found?.record.attempt);
      },
    })),
  },
  {
    mistake: 'leaves no transition for a takeover',
    caughtBy: ['keeps one row for each accepted transition, with who made it and when'],
    make: mistaken((right) => ({
      history: async (id) => (await right.history(id)).filter((row) => row.cause !== 'overtaken'),
    })),
  },
  {
    mistake: 'leaves a transition twice',
    caughtBy: [
      'keeps one row for each accepted transition, with who made it and when',
      'commits effects and a settled record at once, with one transition and no lease',
    ],
    make: mistaken((right) => ({
      async history(id) {
        const rows = await right.history(id);
        return [...rows, ...rows.slice(-1)];
      },
    })),
  },
  {
    mistake: 'writes a transition for a renewal',
    caughtBy: ['writes no row for renewals, recovery points and what was refused'],
    make: mistaken((right) => {
      const renewals = new Map<string, number>();
      return {
        renew: (claims) => {
          for (const { operationId } of claims)
            renewals.set(operationId, (renewals.get(operationId) ?? 0) + 1);
          return right.renew(claims);
        },
        async history(id) {
          const rows = await right.history(id);
          const more = Array.from({ length: renewals.get(id) ?? 0 }, () => rows.slice(-1));
          return [...rows, ...more.flat()];
        },
      };
    }),
  },
  {
    mistake: 'drops what a late owner brings',
    caughtBy: [
      'refuses what an overtaken owner does late, keeps its outcome as evidence and counts it',
      'refuses the owner of an orphan that comes back after the sweep',
    ],
    make: mistaken((right) => ({
      async rejected(id) {
        const rows = await right.rejected(id);
        return rows.map((row) => {
          const { evidence: _, ...rest } = row;
          return rest;
        });
      },
    })),
  },
  {
    mistake: 'keeps one piece of evidence for an attempt and forgets the others',
    caughtBy: ['refuses the recovery points of an overtaken owner and keeps each as evidence'],
    make: mistaken((right) => ({
      rejected: async (id) => (await right.rejected(id)).slice(0, 1),
    })),
  },
  {
    mistake: 'repeats a rejected transition instead of counting it',
    caughtBy: [
      'keeps a rejected transition once and counts it, however many report it at once',
      'refuses what an overtaken owner does late, keeps its outcome as evidence and counts it',
    ],
    make: mistaken((right) => ({
      async rejected(id) {
        const rows = await right.rejected(id);
        return rows.flatMap((row) => Array.from({ length: row.count }, () => ({ ...row, count: 1 })));
      },
    })),
  },
];
