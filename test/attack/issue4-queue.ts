import {
  createSemel,
  type IdempotencyPolicy,
  type Operation,
  type SemelEvent,
  type SemelOptions,
} from '@semel/server';
import {
  createOutcomeCodec,
  policyFrom,
  type RunRequest,
  type RunResult,
  type WorkerProcedure,
} from '@semel/server/adapter';
import type { Jobs, OperationRecord, Store } from '@semel/server/store';
import { expect } from 'vitest';
import { call } from './attack.ts';

export interface Attacked<Tx> {
  readonly store: Store<Tx>;
  readonly jobs: Jobs<Tx>;
  readonly policy?: Partial<IdempotencyPolicy>;
  readonly semel?: Partial<SemelOptions<Tx>>;
  readonly handle: (operation: Operation<Tx>, input: unknown) => unknown;
}

/** A queued procedure `pay`, called as an adapter would call it, and what a worker is given to run it. */
export function attack<Tx>({ store, jobs, policy, semel: more, handle }: Attacked<Tx>) {
  const events: SemelEvent[] = [];
  const semel = createSemel<Tx>({
    store,
    jobs,
    recovery: false,
    onEvent: (event) => events.push(event),
    ...more,
  });
  const backoff = policy?.mode === 'leased' ? undefined : { backoff: { minMs: 1, maxMs: 1 } };
  const queued = { mode: 'queued', ...backoff, ...policy } as IdempotencyPolicy;
  const outcomes = createOutcomeCodec();
  const { failures } = call(queued);
  const procedure: WorkerProcedure<Tx> = {
    name: 'pay',
    policy: policyFrom(queued),
    outcomes,
    begin: ({ input }) => ({
      failures,
      parseOutput: undefined,
      handle: async (operation) => handle(operation, input),
    }),
  };
  const procedures = new Map([['pay', procedure]]);
  const request = (key: string, change: Partial<RunRequest> = {}): RunRequest =>
    call(queued, { procedure: 'pay', key, queued: { principal: 'alice', input: key }, ...change });

  return {
    semel,
    events,
    procedures,
    types: () => events.map(({ type }) => type),
    ask: (key: string, change?: Partial<RunRequest>) =>
      semel.engine.run(request(key, change), async (operation) => handle(operation, key)),
    side: () => semel.engine.workerSide(procedures),
    reaches: (id: string, ...states: OperationRecord['state'][]) =>
      expect
        .poll(async () => (await store.find(id))?.record.state, { timeout: 20_000, interval: 5 })
        .toSatisfy((state: OperationRecord['state']) => states.includes(state)),
  };
}

export function idOf(result: RunResult): string {
  const id = result.kind === 'refused' ? result.problem.operationId : result.operationId;
  if (id === undefined) throw new Error('it has no operation id');
  return id;
}

export const jobFor = (operationId: string) =>
  ({ v: 1, operationId, scope: 'alice', procedure: 'pay' }) as const;
