import { autocommit } from './transactions.ts';
import { mistakenInQueue, type WrongStore } from './wrong-store.ts';

/** Mistakes in accepting work. */
export const wrongEnqueues: readonly WrongStore[] = [
  {
    mistake: 'sends outside of the transaction that accepts',
    caughtBy: [
      'leaves nothing of a send that throws, throws the same error, and lets the next request enqueue',
      'lets exactly one of 16 simultaneous requests enqueue, and keeps only what that one sent',
      'keeps nothing of a send during which somebody else got the identity',
      'lets exactly one of claims, atomic calls and enqueues at once have an identity',
    ],
    make: mistakenInQueue((right) => ({
      enqueue: (request, send) => right.queue.enqueue(request, () => send(autocommit(right))),
    })),
  },
  {
    mistake: 'accepts first and sends afterwards',
    caughtBy: [
      'leaves nothing of a send that throws, throws the same error, and lets the next request enqueue',
    ],
    make: mistakenInQueue((right) => ({
      async enqueue(request, send) {
        const before = await right.lookup(request);
        const result = await right.queue.enqueue(request, async () => {});
        if (result.won && before === undefined) await send(autocommit(right));
        return result;
      },
    })),
  },
  {
    mistake: 'does not recognise the owner of an enqueue',
    caughtBy: ['enqueues again for the owner whose answer was lost, and sends nothing again'],
    make: mistakenInQueue((right) => ({
      async enqueue(request, send) {
        const found = await right.lookup(request);
        return found && !request.expired ? { won: false, ...found } : right.queue.enqueue(request, send);
      },
    })),
  },
  {
    mistake: 'sends again for an owner that asks again',
    caughtBy: [
      'enqueues again for the owner whose answer was lost, and sends nothing again',
      'enqueues and sends once when one owner asks several times at once',
    ],
    make: mistakenInQueue((right) => ({
      async enqueue(request, send) {
        const result = await right.queue.enqueue(request, async () => {});
        if (result.won) await send(autocommit(right));
        return result;
      },
    })),
  },
  {
    mistake: 'replaces whatever has expired, seen or not',
    caughtBy: [
      'enqueues in place of an expired operation only after its expiry and the grace, and when told to',
      'replaces no operation but the one that was seen',
    ],
    make: mistakenInQueue((right) => ({
      async enqueue(request, send) {
        const expired = (await right.lookup(request))?.record;
        return right.queue.enqueue(expired ? { ...request, expired } : request, send);
      },
    })),
  },
];
