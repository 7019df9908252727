import type { Claim, Settlement } from '@semel/server/store';
import { mistaken, mistakenInDecisions, mistakenInQueue, type WrongStore } from './wrong-store.ts';

/** Mistakes in who is offered what, in what is listed and in what is kept of decisions. */
export const wrongUndecided: readonly WrongStore[] = [
  {
    mistake: 'offers everything to everybody',
    caughtBy: [
      'offers each to one of many that ask at once',
      'offers the oldest first, and no more than the limit',
      'offers again only when the time between two offers has passed, and not once it was decided',
    ],
    make: mistakenInDecisions((right) => ({
      offer: (options) => right.decisions.offer({ ...options, everyMs: 0 }),
    })),
  },
  {
    mistake: 'offers each operation once and never again',
    caughtBy: ['offers again only when the time between two offers has passed, and not once it was decided'],
    make: mistakenInDecisions((right) => ({
      offer: ({ limit }) => right.decisions.offer({ limit, everyMs: Number.MAX_SAFE_INTEGER }),
    })),
  },
  {
    mistake: 'marks as offered what nobody who asks can decide',
    caughtBy: ['offers operations of the named procedures alone, and keeps the others for who can decide'],
    make: mistakenInDecisions((right) => ({
      async offer({ procedures, ...options }) {
        const all = await right.decisions.offer(options);
        return all.filter(({ procedure }) => procedures === undefined || procedures.includes(procedure));
      },
    })),
  },
  {
    mistake: 'offers what is dead only',
    caughtBy: [
      'offers what waits for a decision, as it is, and nothing else',
      'offers an orphan that recovery suspended',
    ],
    make: mistakenInDecisions((right) => ({
      offer: async (options) =>
        (await right.decisions.offer(options)).filter(({ state }) => state === 'dead'),
    })),
  },
  {
    mistake: 'keeps what a queued attempt said and not what a leased one did',
    caughtBy: [
      'keeps what the attempt said that made it wait, whatever its mode, and no longer than it waits',
      'keeps what was said by an attempt that is suspended in a transaction of its handler',
    ],
    make: mistaken((right) => ({
      settle: (claim, settlement, trace) => right.settle(claim, silenced(claim, settlement), trace),
      transact: (claim, body, options) =>
        right.transact(
          claim,
          async (tx) => {
            const end = await body(tx);
            return end.kind === 'settle' ? { ...end, settlement: silenced(claim, end.settlement) } : end;
          },
          options,
        ),
    })),
  },
  {
    mistake: 'keeps what an attempt said when the next one is at it',
    caughtBy: [
      'keeps what the attempt said that made it wait, whatever its mode, and no longer than it waits',
    ],
    make: mistakenInDecisions((right) => {
      const said = new Map<string, string>();
      return {
        async undecided(operationId) {
          const found = await right.decisions.undecided(operationId);
          if (found?.lastError !== undefined) said.set(operationId, found.lastError);
          const lastError = said.get(operationId);
          return lastError === undefined ? found : { ...found, lastError };
        },
      };
    }),
  },
  {
    mistake: 'pages by place in a list of the newest changes',
    caughtBy: ['misses and repeats none that stays while operations change between two pages'],
    make: mistakenInDecisions((right) => ({
      async list({ limit, after, ...filter }) {
        const { operations, now } = await right.decisions.list({ ...filter, limit: 1_000_000 });
        const begin = Number(after ?? 0);
        const end = begin + limit;
        const page = [...operations].sort((a, b) => b.updatedAt - a.updatedAt).slice(begin, end);
        return { operations: page, now, ...(operations.length > end && { next: String(end) }) };
      },
    })),
  },
  {
    mistake: 'says that a full page is never the last',
    caughtBy: ['fills each page up to the limit, and says where to go on unless it is the last'],
    make: mistakenInDecisions((right) => ({
      async list(filter) {
        const page = await right.decisions.list(filter);
        const last = page.operations.at(filter.limit - 1)?.operationId;
        return last === undefined ? page : { ...page, next: last };
      },
    })),
  },
  {
    mistake: 'lists a scope and all below it',
    caughtBy: ['lists by state, procedure and scope, and by all of them'],
    make: mistakenInDecisions((right) => ({
      async list({ scope, ...filter }) {
        const page = await right.decisions.list({ ...filter, limit: 1_000_000 });
        return {
          now: page.now,
          operations: page.operations
            .filter((each) => scope === undefined || each.scope.startsWith(scope))
            .slice(0, filter.limit),
        };
      },
    })),
  },
  {
    mistake: 'keeps the last decision only',
    caughtBy: ['keeps every decision about an operation in order, each with who and why'],
    make: mistakenInDecisions((right) => ({
      decisions: async (id) => (await right.decisions.decisions(id)).slice(-1),
    })),
  },
  {
    mistake: 'forgets who decided about what it purges',
    caughtBy: ['purges no work that is not settled, and keeps who decided about what it purges'],
    make: mistaken((right) => {
      const gone = new Set<string>();
      return {
        async purge(request) {
          const report = await right.purge(request);
          for (const id of report.purged) gone.add(id);
          return report;
        },
        decisions: {
          ...right.decisions,
          decisions: async (id) => (gone.has(id) ? [] : right.decisions.decisions(id)),
        },
      };
    }),
  },
  {
    mistake: 'keeps the progress of what it purges',
    caughtBy: ['erases progress with what it purges, and no other'],
    make: mistakenInQueue((right) => {
      const kept = new Map<string, Awaited<ReturnType<typeof right.queue.progress>>>();
      return {
        async recordProgress(claim, value) {
          const answer = await right.queue.recordProgress(claim, value);
          kept.set(claim.operationId, await right.queue.progress(claim.operationId));
          return answer;
        },
        progress: async (id) => kept.get(id),
      };
    }),
  },
  {
    mistake: 'keeps decisions about operations that it has deleted',
    caughtBy: [
      'deletes progress and decisions with the operation that has expired',
      'gives work that replaces an expired operation nothing of it',
    ],
    make: mistakenInDecisions((right) => {
      const kept = new Map<string, Awaited<ReturnType<typeof right.decisions.decisions>>>();
      return {
        async cancel(id, outcome, decision) {
          const answer = await right.decisions.cancel(id, outcome, decision);
          kept.set(id, await right.decisions.decisions(id));
          return answer;
        },
        decisions: async (id) => kept.get(id) ?? right.decisions.decisions(id),
      };
    }),
  },
];

function silenced({ policy }: Claim, settlement: Settlement): Settlement {
  return policy.mode === 'leased' && settlement.to === 'suspended'
    ? { to: 'suspended', cause: 'outcome_unknown' }
    : settlement;
}
