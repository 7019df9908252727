import type { Settlement } from '@semel/server/store';
import { unfenced } from './fences.ts';
import { mistaken, mistakenInQueue, type WrongStore } from './wrong-store.ts';

/** Mistakes in what is kept of work, and in what is said about it. */
export const wrongWork: readonly WrongStore[] = [
  {
    mistake: 'keeps the input of what has settled',
    caughtBy: [
      'erases the work of what settles, and keeps that of what does not',
      'erases the work in the commit that settles it, and not if that is rolled back',
      'cancels accepted work with an outcome, and erases it',
      'resolves what waits for a decision, with its outcome, its expiry and who decided',
    ],
    make: mistakenInQueue((right) => {
      const kept = new Map<string, Awaited<ReturnType<typeof right.queue.work>>>();
      return {
        async enqueue(request, send) {
          const result = await right.queue.enqueue(request, send);
          const { operationId } = result.record;
          kept.set(operationId, await right.queue.work(operationId));
          return result;
        },
        work: async (id) => (await right.queue.work(id)) ?? kept.get(id),
      };
    }),
  },
  {
    mistake: 'erases the work before the commit that settles it',
    caughtBy: ['erases the work in the commit that settles it, and not if that is rolled back'],
    make: mistaken((right) => {
      const erased = new Set<string>();
      return {
        transact: (claim, body, options) => {
          erased.add(claim.operationId);
          return right.transact(claim, body, options);
        },
        queue: {
          ...right.queue,
          work: async (id) => (erased.has(id) ? undefined : right.queue.work(id)),
        },
      };
    }),
  },
  {
    mistake: 'has work due at once, whatever the delay',
    caughtBy: [
      'gives work back for another attempt, due after the delay, with what went wrong',
      'lists accepted work as stranded once it has been due for the grace, and not before',
      'says that work which is not due yet has waited for no time',
    ],
    make: mistaken((right) => ({
      settle: (claim, settlement, trace) =>
        right.settle(claim, 'delayMs' in settlement ? { ...settlement, delayMs: 0 } : settlement, trace),
    })),
  },
  {
    mistake: 'forgets why work was suspended',
    caughtBy: [
      'keeps what went wrong of work that is suspended, and what was said before where nothing is said',
    ],
    make: mistaken((right) => ({
      settle: (claim, { to, cause, ...rest }, trace) =>
        right.settle(
          claim,
          to === 'suspended' ? { to, cause: 'outcome_unknown' } : ({ to, cause, ...rest } as Settlement),
          trace,
        ),
    })),
  },
  {
    mistake: 'counts every attempt',
    caughtBy: ['gives work an attempt more for one that is not to count'],
    make: mistaken((right) => ({
      settle: (claim, settlement, trace) => {
        if (settlement.to !== 'accepted') return right.settle(claim, settlement, trace);
        const { uncounted: _, ...counted } = settlement;
        return right.settle(claim, counted, trace);
      },
    })),
  },
  {
    mistake: 'refuses a worker that gives its work back again',
    caughtBy: ['gives the worker the same answer when it ends its attempt the same again'],
    make: mistaken((right) => ({
      async settle(claim, settlement, trace) {
        const state = (await right.lookup(claim))?.record.state;
        return right.settle(state === 'accepted' ? { ...claim, owner: 'nobody' } : claim, settlement, trace);
      },
    })),
  },
  {
    mistake: 'keeps progress of whoever reports it',
    caughtBy: ['refuses progress of an attempt that was overtaken, of strangers and once it has ended'],
    make: mistakenInQueue((right) => ({
      recordProgress: async (claim, value) => right.queue.recordProgress(await unfenced(right, claim), value),
    })),
  },
  {
    mistake: 'keeps the first word about progress',
    caughtBy: [
      'keeps the last word about progress, of leased attempts too, and shows it once they have ended',
      'forgets no progress when the next attempt begins, and says whose it is',
    ],
    make: mistakenInQueue((right) => ({
      recordProgress: async (claim, value) =>
        (await right.queue.progress(claim.operationId)) === undefined
          ? right.queue.recordProgress(claim, value)
          : { kind: 'recorded' },
    })),
  },
  {
    mistake: 'calls work stranded as soon as it is due',
    caughtBy: ['lists accepted work as stranded once it has been due for the grace, and not before'],
    make: mistakenInQueue((right) => ({
      stranded: (options) => right.queue.stranded({ ...options, graceMs: 0 }),
    })),
  },
  {
    mistake: 'calls those stranded first that came last',
    caughtBy: ['lists what has been due longest first, and no more than the limit'],
    make: mistakenInQueue((right) => ({
      stranded: async (options) => [...(await right.queue.stranded(options))].reverse(),
    })),
  },
  {
    mistake: 'pages through what is stranded by place',
    caughtBy: ['walks what is stranded by pages, and misses and repeats none while others change in between'],
    make: mistakenInQueue((right) => {
      let begin = 0;
      return {
        async stranded({ limit, graceMs, after }) {
          if (after === undefined) begin = 0;
          const all = await right.queue.stranded({ limit: 1_000_000, graceMs });
          const page = all.slice(begin, begin + limit);
          begin += limit;
          return page;
        },
      };
    }),
  },
  {
    mistake: 'goes on behind all that were due in the same moment',
    caughtBy: ['walks what is stranded by pages, and misses and repeats none while others change in between'],
    make: mistakenInQueue((right) => ({
      stranded: ({ after, ...options }) =>
        right.queue.stranded({ ...options, after: after && { ...after, operationId: '\uffff' } }),
    })),
  },
  {
    mistake: 'counts only queued operations among those that wait for a decision',
    caughtBy: ['counts what waits by procedure and state, with how long the oldest has waited'],
    make: mistakenInQueue((right) => ({
      async backlog() {
        const { operations } = await right.decisions.list({ limit: 1_000_000, states: ['suspended'] });
        const leased = (procedure: string) =>
          operations.filter((each) => each.procedure === procedure && each.policy.mode !== 'queued').length;
        const lines = await right.queue.backlog();
        return lines.map((line) =>
          line.state === 'suspended' ? { ...line, count: line.count - leased(line.procedure) } : line,
        );
      },
    })),
  },
];
