import { createMemoryStore, EXPIRY_GRACE_MS, type OperationIdentity } from '@semel/server/store';
import { YEAR } from '../stage.ts';
import { mistaken, mistakenAboutTime, type WrongStore } from './wrong-store.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

export const wrongClaims: readonly WrongStore[] = [
  {
    mistake: 'claims by reading first and writing later',
    caughtBy: [
      'lets exactly one of 32 simultaneous claims win',
      'gives each attempt to one owner and one end when requests and zombies interleave',
    ],
    make: mistaken((right) => ({
      async claim(request) {
        const found = await right.lookup(request);
        await turn();
        const result = await right.claim(request);
        if (found !== undefined || result.won) return result;
        return { won: true, claim: { ...request, ...result.record, now: result.now } };
      },
    })),
  },
  {
    mistake: 'does not recognise the owner of a claim',
    caughtBy: [
      'wins again for the owner that holds the record',
      'gives a claim whose answer was lost to the same request again',
    ],
    make: mistaken((right) => ({
      async claim(request) {
        const found = await right.lookup(request);
        return found ? { won: false, ...found } : right.claim(request);
      },
    })),
  },
  {
    mistake: 'does not recognise the owner of a takeover',
    caughtBy: [
      'wins again for the owner that has taken over already',
      'gives a takeover whose answer was lost to the same request again',
    ],
    make: mistaken((right) => ({
      async take(request, seen, cause) {
        const found = await right.lookup(request);
        return found?.record.owner === request.owner
          ? { won: false, ...found }
          : right.take(request, seen, cause);
      },
    })),
  },
  {
    mistake: 'joins scope, procedure and key without their lengths',
    caughtBy: ['keeps identities apart wherever scope, procedure and key begin'],
    make: mistaken((right) => {
      const joined = ({ scope, procedure, key }: OperationIdentity) => ({
        scope: '',
        procedure: '',
        key: `${scope}:${procedure}:${key}`,
      });
      return {
        lookup: (identity) => right.lookup(joined(identity)),
        claim: (request) => right.claim({ ...request, ...joined(request) }),
      };
    }),
  },
  {
    mistake: 'ignores the lease in a takeover',
    caughtBy: [
      'refuses a takeover while the lease runs',
      'refuses a takeover of what was renewed since it was seen',
      'answers any sequence of requests, zombies, sweeps and passing time as the model does',
    ],
    make: mistakenAboutTime((right, at) => ({
      take: (request, seen, cause) =>
        at(cause === 'overtaken' ? YEAR : 0, () => right.take(request, seen, cause)),
    })),
  },
  {
    mistake: 'takes what it finds, not what was seen',
    caughtBy: ['refuses to continue what has changed since it was seen'],
    make: mistaken((right) => ({
      take: async (request, seen, cause) =>
        right.take(request, (await right.lookup(request))?.record ?? seen, cause),
    })),
  },
  {
    mistake: 'frees a key at its expiry, without the grace',
    caughtBy: ['makes a new operation of a settled or released one only after its expiry and the grace'],
    make: mistakenAboutTime((right, at) => ({
      take: (request, seen, cause) =>
        at(cause === 'expired' ? EXPIRY_GRACE_MS : 0, () => right.take(request, seen, cause)),
    })),
  },
  {
    mistake: 'believes the clock of the process',
    caughtBy: [
      'ends no lease and frees no key early for a process whose clock is ahead',
      'writes the times of its own clock, whatever the process believes',
    ],
    make: (clock) => {
      const offset = clock() - Date.now();
      return createMemoryStore({ clock: () => Date.now() + offset });
    },
  },
];
