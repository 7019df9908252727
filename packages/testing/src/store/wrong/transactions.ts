import type { MemoryTransaction } from '@semel/server/store';
import type { MemoryStore } from '../memory-harness.ts';
import { mistaken, type WrongStore } from './wrong-store.ts';

/** Writes at once: no commit makes it true, no rollback undoes it. */
export function autocommit(right: MemoryStore): MemoryTransaction {
  const committed = right.committed as Map<string, unknown>;
  return {
    get: (key) => committed.get(key),
    set: (key, value) => void committed.set(key, value),
    onCommit: (done) => done(),
  };
}

/** Mistakes in what commits together. */
export const wrongTransactions: readonly WrongStore[] = [
  {
    mistake: 'commits effects before it looks at the fence',
    caughtBy: [
      'rolls everything back when the body throws, and throws the same error',
      'rolls back the effects of an owner that was overtaken before its transaction',
      'rolls back the effects of an owner that is overtaken during its transaction',
      'rolls back the settling transaction of an overtaken owner and keeps its outcome as evidence',
    ],
    make: mistaken((right) => ({
      transact: (claim, body, options) => right.transact(claim, () => body(autocommit(right)), options),
    })),
  },
  {
    mistake: 'checks the fence when a transaction begins and not when it commits',
    caughtBy: ['rolls back the effects of an owner that is overtaken during its transaction'],
    make: mistaken((right) => ({
      async transact(claim, body, options) {
        const record = (await right.lookup(claim))?.record;
        const alive = record?.owner === claim.owner && record.state === 'processing';
        return right.transact(claim, alive ? () => body(autocommit(right)) : body, options);
      },
    })),
  },
  {
    mistake: 'writes the recovery point in a transaction before that of the effects',
    caughtBy: ['commits at most one of two settling transactions'],
    make: mistaken((right) => ({
      async transact(claim, body, { trace }) {
        const end = await body(autocommit(right));
        const result =
          end.kind === 'step'
            ? await right.recordStep(claim, end.step, trace)
            : await right.settle(claim, end.settlement, trace);
        return result.kind === 'overtaken' ? result : { kind: 'committed', value: end.value };
      },
    })),
  },
  {
    mistake: 'runs the effects of a transaction again when its owner asks again',
    caughtBy: [
      'keeps the effects of a transaction once when its answer was lost and its owner runs it again',
    ],
    make: mistaken((right) => ({
      async transact(claim, body, options) {
        const result = await right.transact(claim, body, options);
        if (result.kind === 'committed') await body(autocommit(right));
        return result;
      },
    })),
  },
  {
    mistake: 'writes the step though the body throws',
    caughtBy: ['rolls everything back when the body throws, and throws the same error'],
    make: mistaken((right) => ({
      async transact(claim, body, options) {
        const early = {
          name: 'early',
          kind: 'transaction',
          fingerprint: '',
          result: '',
          attempt: 1,
        } as const;
        await right.recordStep(claim, early, options.trace);
        return right.transact(claim, body, options);
      },
    })),
  },
  {
    mistake: 'keeps the effects of a discarded body',
    caughtBy: ['stores a thrown refusal without the effects of its body'],
    make: mistaken((right) => ({
      atomically: (request, body) =>
        right.atomically(request, async (tx) => ({ ...(await body(tx)), effects: 'keep' })),
    })),
  },
  {
    mistake: 'discards the effects of a returned refusal',
    caughtBy: ['stores a returned refusal together with the effects of its body'],
    make: mistaken((right) => ({
      atomically: (request, body) =>
        right.atomically(request, async (tx) => {
          const end = await body(tx);
          return end.settlement.to === 'failed' ? { ...end, effects: 'discard' } : end;
        }),
    })),
  },
  {
    mistake: 'keeps the effects of an atomic body that throws',
    caughtBy: ['leaves nothing of a body that throws, throws the same error, and lets the next one run'],
    make: mistaken((right) => ({
      atomically: (request, body) => right.atomically(request, () => body(autocommit(right))),
    })),
  },
  {
    mistake: 'runs a body without asking mayRun',
    caughtBy: ['runs no body where mayRun says no, and answers with what exists'],
    make: mistaken((right) => ({
      atomically: (request, body) => right.atomically({ ...request, mayRun: () => true }, body),
    })),
  },
  {
    mistake: 'asks mayRun before it has the lock',
    caughtBy: ['tells a second call that the operation is held, without asking mayRun or running its body'],
    make: mistaken((right) => ({
      async atomically(request, body) {
        const found = await right.lookup(request);
        const may = request.mayRun(found);
        return right.atomically(
          { ...request, mayRun: (now) => (now === undefined ? may : request.mayRun(now)) },
          body,
        );
      },
    })),
  },
  {
    mistake: 'holds no lock while an atomic body runs',
    caughtBy: ['tells a second call that the operation is held, without asking mayRun or running its body'],
    make: mistaken((right) => ({
      async atomically(request, body) {
        const result = await right.atomically(request, body);
        if (result.kind !== 'held') return result;
        const { value } = await body(autocommit(right));
        const { operationId, policy } = request;
        return { kind: 'settled', value, operationId, attempt: 1, expiresAt: policy.ttlMs };
      },
    })),
  },
];
