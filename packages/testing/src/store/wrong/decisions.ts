import type { Decided, Decision, OperationRecord } from '@semel/server/store';
import type { MemoryStore } from '../memory-harness.ts';
import { autocommit } from './transactions.ts';
import { mistaken, mistakenInDecisions, type WrongStore } from './wrong-store.ts';

const waits = ({ state }: OperationRecord) => state === 'suspended' || state === 'dead';

const whatever = (by: Decision): Decision => ({ ...by, version: undefined });

/** Each decision, made whatever has happened since somebody saw the operation. */
const blind: readonly {
  readonly which: string;
  readonly methods: (right: MemoryStore) => Partial<MemoryStore['decisions']>;
}[] = [
  {
    which: 'release',
    methods: ({ decisions }) => ({ release: (id, by) => decisions.release(id, whatever(by)) }),
  },
  {
    which: 'resolve',
    methods: ({ decisions }) => ({ resolve: (id, body, by) => decisions.resolve(id, body, whatever(by)) }),
  },
  {
    which: 'redrive',
    methods: ({ decisions }) => ({
      redrive: (id, options, send, by) => decisions.redrive(id, options, send, whatever(by)),
    }),
  },
  {
    which: 'cancel',
    methods: ({ decisions }) => ({
      cancel: (id, outcome, by) => decisions.cancel(id, outcome, whatever(by)),
    }),
  },
];

/** Mistakes in deciding. */
export const wrongDecisions: readonly WrongStore[] = [
  {
    mistake: 'commits what a resolver wrote, whatever it decides',
    caughtBy: ['leaves nothing of a body that does not decide or that throws'],
    make: mistakenInDecisions((right) => ({
      resolve: (id, body, decision) =>
        right.decisions.resolve(id, (_, record) => body(autocommit(right), record), decision),
    })),
  },
  ...blind.map(({ which, methods }) => ({
    mistake: `does not look at the version when it is to ${which}`,
    caughtBy: ['decides nothing about an operation that is another than it was when it was looked at'],
    make: mistakenInDecisions(methods),
  })),
  {
    mistake: 'decides without a lock',
    caughtBy: [
      'lets one of many decide at once, and keeps what that one wrote',
      'makes nobody wait for somebody who is deciding',
      'leaves nothing of a body that does not decide or that throws',
    ],
    make: mistakenInDecisions((right) => ({
      async resolve(id, body, decision) {
        const found = await right.find(id);
        if (found === undefined || !waits(found.record)) return right.decisions.resolve(id, body, decision);
        const resolution = await body(autocommit(right), found.record);
        return right.decisions.resolve(id, async () => resolution, decision);
      },
    })),
  },
  {
    mistake: 'resolves what can go on by itself',
    caughtBy: ['resolves nothing that can go on by itself, is settled or does not exist, and runs no body'],
    make: mistakenInDecisions((right) => ({
      async resolve(id, body, decision) {
        const found = await right.find(id);
        if (found === undefined || waits(found.record)) return right.decisions.resolve(id, body, decision);
        await body(autocommit(right), found.record);
        return { kind: 'done', record: found.record };
      },
    })),
  },
  {
    mistake: 'sends the job of a redrive outside of its transaction',
    caughtBy: ['leaves nothing of a redrive whose send throws'],
    make: mistakenInDecisions((right) => ({
      redrive: (id, options, send, decision) =>
        right.decisions.redrive(id, options, (_, record) => send(autocommit(right), record), decision),
    })),
  },
  {
    mistake: 'sends a job about the record as it was before the redrive',
    caughtBy: [
      'sends dead and suspended work back to the queue as the next attempt, due now, with all it had',
    ],
    make: mistakenInDecisions((right) => ({
      async redrive(id, options, send, decision) {
        const before = (await right.find(id))?.record;
        return right.decisions.redrive(id, options, (tx, now) => send(tx, before ?? now), decision);
      },
    })),
  },
  {
    mistake: 'grants as many attempts as there had been before',
    caughtBy: [
      'sends dead and suspended work back to the queue as the next attempt, due now, with all it had',
      'grants so many attempts, and then the work is dead again',
    ],
    make: mistakenInDecisions((right) => ({
      redrive: (id, _, send, decision) => right.decisions.redrive(id, { grantAttempts: 10 }, send, decision),
    })),
  },
  {
    mistake: 'redrives and releases past the downstream window',
    caughtBy: ['redrives nothing past its downstream window', 'releases nothing past its downstream window'],
    make: mistakenInDecisions((right) => {
      const done = (answer: Decided): Decided =>
        answer.kind === 'window_passed' ? { kind: 'done', record: answer.record } : answer;
      return {
        redrive: async (...asked) => done(await right.decisions.redrive(...asked)),
        release: async (...asked) => done(await right.decisions.release(...asked)),
      };
    }),
  },
  {
    mistake: 'releases without a row for the attempt in between',
    caughtBy: [
      'releases a suspended operation in two transitions, and the next request takes it with its steps',
      'makes every transition of the contract that work and decisions have, and no other',
    ],
    make: mistaken((right) => ({
      history: async (id) => (await right.history(id)).filter(({ cause }) => cause !== 'resumed'),
    })),
  },
  {
    mistake: 'says that it cancelled what runs',
    caughtBy: [
      'cancels nothing that is or was running, waits for a decision, is settled, leased or does not exist',
    ],
    make: mistakenInDecisions((right) => ({
      async cancel(id, outcome, decision) {
        const answer = await right.decisions.cancel(id, outcome, decision);
        return answer.kind === 'not_now' ? { kind: 'done', record: answer.record } : answer;
      },
    })),
  },
];
