import type { AtomicEnd } from '../store/port.ts';
import type { DescribedError } from './failure.ts';
import type { RunRequest, RunResult } from './request.ts';
import type { SealedOutcomes } from './sealed-outcomes.ts';

/** How an attempt was settled, for it to answer with. */
export type Settled =
  | { readonly outcome: 'completed'; readonly value: unknown }
  | { readonly outcome: 'failed'; readonly error: DescribedError; readonly thrown: unknown };

type WithOutcome = AtomicEnd<unknown>['settlement'];

/** @throws UnstorableOutcome for a value that can't be replayed */
export const completedWith = (
  value: unknown,
  { policy }: RunRequest,
  outcomes: SealedOutcomes,
): WithOutcome => ({
  to: 'completed',
  cause: 'succeeded',
  outcome: outcomes.fromValue(value, policy.maxOutcomeBytes),
});

export const failedWith = (
  error: DescribedError,
  { policy }: RunRequest,
  outcomes: SealedOutcomes,
): WithOutcome => ({
  to: 'failed',
  cause: 'failed',
  outcome: outcomes.fromError(error, policy.maxOutcomeBytes),
});

/** What this very call answers, which ran the handler. */
export const resultOf = (settled: Settled, operationId: string): RunResult =>
  settled.outcome === 'completed'
    ? { kind: 'completed', value: settled.value, replayed: false, operationId }
    : { kind: 'failed', error: settled.error, thrown: settled.thrown, replayed: false, operationId };
