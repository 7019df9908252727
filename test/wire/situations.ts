import { fingerprint } from '@semel/contract/v1/pure';
import { createMemoryStore, type IdempotencyPolicy } from '@semel/server';
import {
  type ClaimRequest,
  type MemoryTransaction,
  type RecordedPolicy,
  type Store,
  StoreUnavailable,
} from '@semel/server/store';
import { type Behaviour, startTrpcServer } from '../fixtures/trpc-server.ts';

/** 15 January 2027, 08:00 UTC: the store's clock in these tests stands still unless a test moves it. */
export const START = 1_800_000_000_000;

export const PLANTED_POLICY: RecordedPolicy = {
  mode: 'leased',
  onCrash: 'suspend',
  leaseMs: 30_000,
  maxRunMs: 60_000,
  maxAttempts: 20,
  downstreamWindowMs: 72_000_000,
  ttlMs: 86_400_000,
};

/** Alice's operation under `k`, as another process would claim it. */
export function elsewhere(procedure: string, input: unknown, over: Partial<ClaimRequest> = {}): ClaimRequest {
  return {
    scope: 'alice',
    procedure,
    key: 'k',
    operationId: 'planted',
    owner: 'another process',
    fingerprint: fingerprint(procedure, input),
    policy: PLANTED_POLICY,
    trace: { actor: 'another process' },
    ...over,
  };
}

export interface Stage {
  readonly server: Awaited<ReturnType<typeof startTrpcServer<MemoryTransaction>>>;
  /** The store's clock: it stands still unless a test moves it. */
  readonly clock: { now: number };
  /** What the server's store really holds, also while it is away. */
  readonly store: Store<MemoryTransaction>;
  runs: number;
}

export interface StageOptions {
  readonly policy?: Partial<IdempotencyPolicy>;
  readonly handler?: (stage: Stage, operation: { readonly id: string }) => unknown;
  /** Every call to the store is rejected, as when the database is away. */
  readonly storeIsAway?: boolean;
}

/** A server whose store has a clock of its own, and whose handlers count their runs. */
export async function stage(options: StageOptions = {}): Promise<Stage> {
  const clock = { now: START };
  const store = createMemoryStore({ clock: () => clock.now });
  const handler: Behaviour<MemoryTransaction>['atomic'] = (operation) => {
    self.runs++;
    return options.handler === undefined ? 'done' : options.handler(self, operation);
  };
  const server = await startTrpcServer<MemoryTransaction>(options.storeIsAway ? away(store) : store, {
    atomic: handler,
    leased: handler,
    ...(options.policy && { policy: options.policy }),
  });
  const self: Stage = { server, clock, store, runs: 0 };
  return self;
}

function away(store: Store<MemoryTransaction>): Store<MemoryTransaction> {
  const refuse = () => Promise.reject(new StoreUnavailable());
  const methods = Object.entries(store).filter(([, member]) => typeof member === 'function');
  return { ...store, ...Object.fromEntries(methods.map(([name]) => [name, refuse])) };
}

/** How many operations the store remembers. */
export async function size(store: Store<MemoryTransaction>): Promise<number> {
  return (await store.sweepExpired({ limit: 10_000_000 })).examined;
}
