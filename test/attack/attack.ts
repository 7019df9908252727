import { createSemel, type IdempotencyPolicy, type SemelEvent } from '@semel/server';
import { createOutcomeCodec, policyFrom, type RunRequest } from '@semel/server/adapter';
import type { Store } from '@semel/server/store';

/** An admitted call, as an adapter would make it. */
export const call = (policy: IdempotencyPolicy, change: Partial<RunRequest> = {}): RunRequest => ({
  scope: 'alice',
  procedure: 'p',
  key: 'k',
  ageMs: undefined,
  fingerprint: 'v1:f',
  policy: policyFrom(policy),
  failures: {
    statusOf: (error) => (error as { status?: number }).status,
    describe: () => ({ httpStatus: 409, code: 'CONFLICT', message: 'no' }),
  },
  outcomes: createOutcomeCodec(),
  trace: { actor: 'request' },
  ...change,
});

export function semelOn<Tx>(store: Store<Tx>, maxWaiters?: number) {
  const events: SemelEvent[] = [];
  const semel = createSemel({
    store,
    recovery: false,
    onEvent: (event) => events.push(event),
    ...(maxWaiters !== undefined && { maxWaiters }),
  });
  return { ...semel, events };
}

export const stateOf = async (store: Pick<Store, 'lookup'>, { scope, procedure, key }: RunRequest) =>
  (await store.lookup({ scope, procedure, key }))?.record.state;
