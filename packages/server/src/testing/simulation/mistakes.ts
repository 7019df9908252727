import { createMemoryStore, type MemoryStore, type MemoryTransaction } from '../../store/memory.ts';
import {
  type Claim,
  EXPIRY_GRACE_MS,
  type OperationIdentity,
  type OperationRecord,
} from '../../store/port.ts';
import type { HandlerMistakes } from './handlers.ts';
import type { World } from './world.ts';

/** Something that a reasonable person might write, in the store, around the engine or in a handler. */
export interface Mistake extends HandlerMistakes {
  /** What the simulation says of it. */
  readonly found: string;
  readonly store?: (clock: () => number, world: World) => MemoryStore;
  readonly oneScope?: boolean;
  readonly answersBeforeCommit?: boolean;
}

type MakeStore = NonNullable<Mistake['store']>;

const YEAR = 365 * 24 * 3_600_000;

/** The memory store with some methods replaced. */
export const mistaken =
  (change: (right: MemoryStore, clock: () => number, world: World) => Partial<MemoryStore>): MakeStore =>
  (clock, world) => {
    const right = createMemoryStore({ clock });
    return { ...right, ...change(right, clock, world) };
  };

/** The memory store whose clock is wrong for one call. */
export const mistakenAboutTime =
  (
    change: (right: MemoryStore, at: <T>(offsetMs: number, call: () => T) => T) => Partial<MemoryStore>,
  ): MakeStore =>
  (clock) => {
    let offset = 0;
    const right = createMemoryStore({ clock: () => clock() + offset });
    const at = <T>(offsetMs: number, call: () => T): T => {
      offset = offsetMs;
      try {
        return call();
      } finally {
        offset = 0;
      }
    };
    return { ...right, ...change(right, at) };
  };

/** A claim that anybody's write would pass with: that of whoever holds the operation now. */
async function asHolder(right: MemoryStore, claim: Claim): Promise<Claim> {
  const record = (await right.find(claim.operationId))?.record;
  return record === undefined ? claim : { ...claim, owner: record.owner, attempt: record.attempt };
}

const resumable = (record: OperationRecord): OperationRecord => ({
  ...record,
  policy: { ...record.policy, onCrash: 'resume' },
});

export const MISTAKES = {
  'a claim that reads first and writes later': {
    found: 'one attempt ran twice',
    store: mistaken((right, _, world) => ({
      async claim(request) {
        const before = await right.lookup(request);
        await new Promise<void>((resolve) => void world.after(1, undefined, resolve));
        const result = await right.claim(request);
        if (before !== undefined || result.won) return result;
        return { won: true, claim: { ...result.record, now: result.now, owner: request.owner } };
      },
    })),
  },
  'leases by the clocks of the processes': {
    found: 'taken over while its lease runs',
    store: (clock, world) =>
      createMemoryStore({ clock: () => clock() + Math.floor(world.current?.wallOffset ?? 0) }),
  },
  'a takeover of a lease that runs': {
    found: 'taken over while its lease runs',
    store: mistakenAboutTime((right, at) => ({
      lookup: (identity) => at(100, () => right.lookup(identity)),
      take: (request, seen, cause) =>
        at(cause === 'overtaken' ? 100 : 0, () => right.take(request, seen, cause)),
    })),
  },
  'a settlement without a fence': {
    found: 'a write of a late owner was accepted',
    store: mistaken((right) => ({
      settle: async (claim, settlement, trace) =>
        right.settle(await asHolder(right, claim), settlement, trace),
    })),
  },
  'a transaction without a fence': {
    found: 'a write of a late owner was accepted',
    store: mistaken((right) => ({
      transact(claim, body, options) {
        const bearer = { ...claim };
        const bodyFirst: typeof body = async (tx) => {
          const end = await body(tx);
          Object.assign(bearer, await asHolder(right, claim));
          return end;
        };
        return right.transact(bearer, bodyFirst, options);
      },
    })),
  },
  'effects committed before the fence is asked': {
    found: 'two effects',
    store: mistaken((right) => ({
      transact: (claim, body, options) =>
        right.transact(
          claim,
          (tx) =>
            body({
              get: (key) => tx.get(key),
              set: (key, value) => void (right.committed as Map<string, unknown>).set(key, value),
              onCommit: (done) => tx.onCommit(done),
            } satisfies MemoryTransaction),
          options,
        ),
    })),
  },
  'an answer before the commit': { found: 'a caller was told what is not stored', answersBeforeCommit: true },
  'a step that is not recorded': {
    found: 'two charges',
    store: mistaken(() => ({ recordStep: async () => ({ kind: 'recorded' }) })),
  },
  'released though nobody knows': {
    found: 'two charges',
    store: mistaken((right) => ({
      settle: (claim, settlement, trace) =>
        right.settle(
          claim,
          settlement.to === 'suspended' ? { to: 'released', cause: 'released' } : settlement,
          trace,
        ),
    })),
  },
  'resumed by today’s code, not by the record': {
    found: 'two charges',
    store: mistaken((right) => ({
      async lookup(identity) {
        const found = await right.lookup(identity);
        return found && { ...found, record: resumable(found.record) };
      },
      async claim(request) {
        const result = await right.claim(request);
        return result.won ? result : { ...result, record: resumable(result.record) };
      },
    })),
  },
  'a key that expires while its operation is unfinished': {
    found: 'two effects',
    store: mistaken((right, clock) => {
      const generation = new Map<string, number>();
      const place = ({ scope, procedure, key }: OperationIdentity) =>
        `${scope} ${procedure} ${key.split('~')[0]}`;
      const now = <I extends OperationIdentity>(identity: I): I => {
        const made = generation.get(place(identity));
        return made === undefined ? identity : { ...identity, key: `${identity.key.split('~')[0]}~${made}` };
      };
      const forgetting = async (identity: OperationIdentity): Promise<void> => {
        const record = (await right.lookup(now(identity)))?.record;
        if (record === undefined || record.createdAt + record.policy.ttlMs + EXPIRY_GRACE_MS > clock())
          return;
        generation.set(place(identity), (generation.get(place(identity)) ?? 0) + 1);
      };
      return {
        async lookup(identity) {
          await forgetting(identity);
          return right.lookup(now(identity));
        },
        async claim(request) {
          await forgetting(request);
          return right.claim(now(request));
        },
        take: (request, seen, cause) => right.take(now(request), now(seen), cause),
      };
    }),
  },
  'a key that is free at its expiry, without the grace': {
    found: 'a key was free too early',
    store: mistakenAboutTime((right, at) => ({
      async lookup(identity) {
        const found = await right.lookup(identity);
        return found && { ...found, now: found.now + EXPIRY_GRACE_MS };
      },
      take: (request, seen, cause) =>
        at(cause === 'expired' ? EXPIRY_GRACE_MS : 0, () => right.take(request, seen, cause)),
      sweepExpired: (options) => at(EXPIRY_GRACE_MS, () => right.sweepExpired(options)),
    })),
  },
  'one scope for all tenants': { found: "another tenant's answer", oneScope: true },
  'any payload is the same': {
    found: "another payload's answer",
    store: mistaken((right) => ({
      lookup: async () => undefined,
      async claim(request) {
        const result = await right.claim(request);
        return result.won
          ? result
          : { ...result, record: { ...result.record, fingerprint: request.fingerprint } };
      },
    })),
  },
  'a child key made from the attempt': { found: 'two charges', childKeyFromAttempt: true },
  'a window that nobody keeps': {
    found: 'two charges',
    store: mistaken((right) => ({
      claim: (request) =>
        right.claim({ ...request, policy: { ...request.policy, downstreamWindowMs: 10 * YEAR } }),
    })),
  },
  'a provider’s silence taken for a no': { found: 'failed, and it was charged', silenceIsNo: true },
  'an old snapshot taken for the truth': {
    found: 'two effects',
    store: mistaken((right) => {
      let copies = 0;
      return {
        async atomically(request, body) {
          const before = await right.lookup(request);
          let stale = false;
          const result = await right.atomically(request, body);
          stale = before === undefined && (result.kind === 'existing' || result.kind === 'held');
          if (!stale) return result;
          return right.atomically({ ...request, key: `${request.key}~${++copies}` }, body);
        },
      };
    }),
  },
} as const satisfies Record<string, Mistake>;

export type MistakeName = keyof typeof MISTAKES;
