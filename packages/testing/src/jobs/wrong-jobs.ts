import { createMemoryJobs, type Jobs, type MemoryTransaction } from '@semel/server/store';
import type { MakeJobs } from './memory-harness.ts';
import { operationOf, uuid } from './stage.ts';

/** A queue with one mistake that somebody could make, and the facts that it breaks. */
export interface WrongJobs {
  readonly mistake: string;
  /** Titles of cases; each of them must fail. */
  readonly caughtBy: readonly string[];
  readonly make: MakeJobs;
}

type MemoryJobs = Jobs<MemoryTransaction>;

/** The queue in memory with some methods replaced. */
function mistaken(change: (right: MemoryJobs) => Partial<MemoryJobs>): MakeJobs {
  return () => {
    const right = createMemoryJobs({ againMs: 5 });
    return { ...right, ...change(right) };
  };
}

export const wrongJobs: readonly WrongJobs[] = [
  {
    mistake: 'sends outside the transaction that it was given',
    caughtBy: [
      'a job sent in a transaction is delivered once that is committed, and not before',
      'a job sent in a transaction that is rolled back doesn’t exist',
      'transactions that are open at the same time don’t mix',
    ],
    make: mistaken(({ send }) => ({ send: (_tx, job, options) => send(undefined, job, options) })),
  },
  {
    mistake: 'gives every job an id of its own',
    caughtBy: [
      'an id sent twice is one job',
      'an id sent twice in one transaction is one job, and the transaction goes on',
      'two transactions that send one id at the same time are both committed, and make one job',
      'an id that is sent while its job is being delivered makes no second one',
    ],
    make: mistaken(({ send }) => ({
      send: (tx, job, { delayMs }) => send(tx, job, { id: uuid(), delayMs }),
    })),
  },
  {
    mistake: 'takes the operation for the id of its job',
    caughtBy: ['one operation may have several jobs, each with an id of its own'],
    make: mistaken(({ send }) => ({
      send: (tx, job, { id, delayMs }) => send(tx, job, { id: operationOf(job) ?? id, delayMs }),
    })),
  },
  {
    mistake: 'forgets a job before it is dealt with (at most once)',
    caughtBy: ['a job whose delivery rejects comes again, the same', 'a job whose delivery rejected waits'],
    make: mistaken(({ consume }) => ({
      consume: (deliver, options) => consume((job) => deliver(job).catch(() => {}), options),
    })),
  },
  {
    mistake: 'delivers at once what is delayed',
    caughtBy: [
      'a delayed job lets those pass that are due, and comes when it is due',
      'a delay counts in a transaction too',
    ],
    make: mistaken(({ send }) => ({ send: (tx, job, { id }) => send(tx, job, { id, delayMs: 0 }) })),
  },
  {
    mistake: 'delivers everything that there is at the same time',
    caughtBy: ['no more jobs are delivered at the same time than were asked for, and no fewer'],
    make: mistaken(({ consume }) => ({
      consume: (deliver) => consume(deliver, { concurrency: 10_000 }),
    })),
  },
  {
    mistake: 'forgets those that are being delivered when asked what waits',
    caughtBy: ['a job that is being delivered still waits, and one that was dealt with doesn’t'],
    make: mistaken(({ consume, waiting }) => {
      const running = new Set<unknown>();
      return {
        consume: (deliver, options) =>
          consume(async (job) => {
            running.add(operationOf(job));
            try {
              await deliver(job);
            } finally {
              running.delete(operationOf(job));
            }
          }, options),
        waiting: async (ids) => new Set([...(await waiting(ids))].filter((id) => !running.has(id))),
      };
    }),
  },
  {
    mistake: 'names everything that waits, whatever it was asked about',
    caughtBy: ['only those are named that were asked about'],
    make: mistaken(({ send, waiting }) => {
      const all: string[] = [];
      return {
        send: (tx, job, options) => {
          all.push(job.operationId);
          return send(tx, job, options);
        },
        waiting: () => waiting(all),
      };
    }),
  },
  {
    mistake: 'doesn’t wait for what runs when it is stopped',
    caughtBy: ['stop waits for what runs, and delivers nothing after it was called'],
    make: mistaken(({ consume }) => ({
      async consume(deliver, options) {
        const consumer = await consume(deliver, options);
        return { stop: () => consumer.stop(0) };
      },
    })),
  },
  {
    mistake: 'goes on delivering when it is stopped',
    caughtBy: ['what nobody consumes any more stays for the next consumer'],
    make: mistaken(({ consume }) => ({
      async consume(deliver, options) {
        await consume(deliver, options);
        return { stop: async () => {} };
      },
    })),
  },
  {
    mistake: 'sets aside what it can’t read',
    caughtBy: ['what isn’t a job reaches the worker as it lies in the queue'],
    make: mistaken(({ send }) => ({
      send: async (tx, job, options) => {
        if (typeof operationOf(job) === 'string') await send(tx, job, options);
      },
    })),
  },
];
