import { EXPIRY_GRACE_MS, type OperationIdentity } from '@semel/server/store';
import { YEAR } from '../stage.ts';
import { mistaken, mistakenAboutTime, type WrongStore } from './wrong-store.ts';

export const wrongSweeps: readonly WrongStore[] = [
  {
    mistake: 'suspends every orphan, whatever its record says',
    caughtBy: ['suspends orphans whose record says so, and leaves the others to the next attempt'],
    make: mistaken((right) => {
      const known: OperationIdentity[] = [];
      return {
        claim: (request) => {
          known.push(request);
          return right.claim(request);
        },
        async sweepOrphans(options) {
          for (const identity of known) {
            const found = await right.lookup(identity);
            if (found) await right.suspendOrphan(found.record, options.trace);
          }
          return right.sweepOrphans(options);
        },
      };
    }),
  },
  {
    mistake: 'suspends attempts whose lease still runs',
    caughtBy: ['suspends orphans whose record says so, and leaves the others to the next attempt'],
    make: mistakenAboutTime((right, at) => ({
      sweepOrphans: (options) => at(YEAR, () => right.sweepOrphans(options)),
    })),
  },
  {
    mistake: 'deletes within the grace',
    caughtBy: ['keeps what has not expired, and what is within the grace'],
    make: mistakenAboutTime((right, at) => ({
      sweepExpired: (options) => at(EXPIRY_GRACE_MS, () => right.sweepExpired(options)),
    })),
  },
  {
    mistake: 'deletes all it finds in one call',
    caughtBy: ['deletes no more than the limit in one call, and everything in the end'],
    make: mistaken((right) => ({ sweepExpired: () => right.sweepExpired({ limit: 1_000_000 }) })),
  },
  {
    mistake: 'deletes unfinished operations when they are old',
    caughtBy: ['never deletes an unsettled operation, however old'],
    make: mistaken((right) => {
      const known: OperationIdentity[] = [];
      const swept = new Set<OperationIdentity['key']>();
      return {
        claim: (request) => {
          known.push(request);
          return right.claim(request);
        },
        lookup: async (identity) => (swept.has(identity.key) ? undefined : right.lookup(identity)),
        async sweepExpired(options) {
          for (const identity of known) {
            const found = await right.lookup(identity);
            if (found && found.record.updatedAt + YEAR < found.now) swept.add(identity.key);
          }
          return right.sweepExpired(options);
        },
      };
    }),
  },
];
