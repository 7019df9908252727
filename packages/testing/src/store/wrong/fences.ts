import type { Claim } from '@semel/server/store';
import type { MemoryStore } from '../memory-harness.ts';
import { mistaken, type WrongStore } from './wrong-store.ts';

/** The claim as its identity's record would have it now: what a write without a fence amounts to. */
export async function unfenced(right: MemoryStore, claim: Claim): Promise<Claim> {
  const record = (await right.lookup(claim))?.record;
  if (record?.state !== 'processing') return claim;
  const { operationId, owner, attempt } = record;
  return { ...claim, operationId, owner, attempt };
}

export const wrongFences: readonly WrongStore[] = [
  {
    mistake: 'settles without a fence',
    caughtBy: [
      'refuses what an overtaken owner does late, keeps its outcome as evidence and counts it',
      'lets no owner of the old operation touch the new one, though their attempts have one number',
    ],
    make: mistaken((right) => ({
      settle: async (claim, settlement, trace) =>
        right.settle(await unfenced(right, claim), settlement, trace),
    })),
  },
  {
    mistake: 'compares attempts with >= in its fence',
    caughtBy: ['refuses an attempt that was never claimed'],
    make: mistaken((right) => ({
      async settle(claim, settlement, trace) {
        const now = await unfenced(right, claim);
        return right.settle(claim.attempt >= now.attempt ? now : claim, settlement, trace);
      },
    })),
  },
  {
    mistake: 'compares attempts only, not owners',
    caughtBy: ['refuses another owner in the same attempt'],
    make: mistaken((right) => ({
      async settle(claim, settlement, trace) {
        const now = await unfenced(right, claim);
        return right.settle(claim.attempt === now.attempt ? now : claim, settlement, trace);
      },
    })),
  },
  {
    mistake: 'renews for whoever asks',
    caughtBy: [
      'renews for nobody but the owner of the running attempt',
      'refuses what an overtaken owner does late, keeps its outcome as evidence and counts it',
    ],
    make: mistaken((right) => ({
      renew: async (claims) =>
        Promise.all(
          claims.map(async (claim) => {
            const [answer] = await right.renew([await unfenced(right, claim)]);
            const { operationId, attempt } = claim;
            return { operationId, attempt, renewed: answer?.renewed === true };
          }),
        ),
    })),
  },
  {
    mistake: 'says that it renewed, and writes nothing',
    caughtBy: ['renews the leases of many operations in one call and answers for each'],
    make: mistaken((right) => ({
      renew: async (claims) =>
        Promise.all(
          claims.map(async (claim) => ({
            operationId: claim.operationId,
            attempt: claim.attempt,
            renewed: (await right.lookup(claim))?.record.owner === claim.owner,
          })),
        ),
    })),
  },
  {
    mistake: 'records the steps of overtaken owners',
    caughtBy: ['refuses the recovery points of an overtaken owner and keeps each as evidence'],
    make: mistaken((right) => ({
      recordStep: async (claim, step, trace) => right.recordStep(await unfenced(right, claim), step, trace),
    })),
  },
  {
    mistake: 'refuses an owner that settles the same again',
    caughtBy: [
      'gives the owner the same answer when it settles the same again',
      'settles again for the owner whose answer was lost',
    ],
    make: mistaken((right) => ({
      async settle(claim, settlement, trace) {
        const found = (await right.lookup(claim))?.record;
        const running = found === undefined || found.state === 'processing';
        return right.settle(running ? claim : { ...claim, owner: 'nobody' }, settlement, trace);
      },
    })),
  },
];
