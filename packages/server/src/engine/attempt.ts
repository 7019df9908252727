import type { Claim } from '../store/port.ts';
import { type Attempt, conclude, type Ended, executed, type FailedForNow, notBegun } from './conclude.ts';
import { type EngineContext, subjectOf } from './engine-context.ts';
import { classify } from './failure.ts';
import { LeasedOperation } from './leased-operation.ts';
import { isRefusal } from './refusal.ts';
import type { Handler, RunRequest, RunResult } from './request.ts';
import { resultOf } from './settlement.ts';

export type { FailedForNow } from './conclude.ts';

/**
 * Runs the handler once under its claim, and settles what became of it.
 *
 * @param askedAt by `performance.now()`, from before the claim was first sent
 * @param failedForNow a worker's; where there is none the operation is released and the error thrown
 * @throws the handler's own error, when it isn't final and the operation was released for it; what keeps its output from being
 *   stored; a broken store's error
 */
export async function runAttempt<Tx>(
  context: EngineContext<Tx>,
  request: RunRequest,
  handler: Handler<Tx>,
  claim: Claim,
  askedAt: number,
  failedForNow?: FailedForNow,
): Promise<RunResult> {
  const startedAt = performance.now();
  const lease = context.leases.hold(claim, askedAt, () => {
    // The answer to the settlement says more: this may be the attempt's own end that a renewal has met.
    if (!operation.concluding) context.emit({ type: 'fenced', write: 'renew', ...subjectOf(request, claim) });
  });
  const operation = new LeasedOperation(context, request, claim, lease, askedAt);
  const attempt: Attempt<Tx> = { context, request, claim, operation, failedForNow, startedAt };
  try {
    if (lease.isLost) return await notBegun(attempt);
    const ended = await run(request, handler, operation);
    const { settled } = operation;
    // What `settle` committed stands, whatever the handler did afterwards.
    if (settled !== undefined)
      return executed(attempt, resultOf(settled, claim.operationId), settled.outcome);
    operation.concluding = true;
    return await conclude(attempt, ended);
  } finally {
    operation.close();
    lease.end();
  }
}

/** The handler's own word, and whether it is the last one. */
async function run<Tx>(
  { policy, failures }: RunRequest,
  handler: Handler<Tx>,
  operation: LeasedOperation<Tx>,
): Promise<Ended> {
  let returned: unknown;
  let threw: { readonly error: unknown } | undefined;
  try {
    returned = await handler(operation);
  } catch (error) {
    threw = { error };
  }
  // What the handler saw of its steps it has judged itself. What became of those still out then, nobody has.
  const judged = operation.unknown;
  await operation.end();
  const said = threw === undefined ? returned : threw.error;
  if (isRefusal(said)) {
    const unjudged = operation.abandoned || operation.unknown !== judged;
    // So a "no" isn't the last word, and the caller must not take it for that either.
    return unjudged ? { kind: 'threw', error: operation.unknown } : { kind: 'refused', error: said.error };
  }
  if (threw === undefined) return { kind: 'returned', value: returned };
  const { error } = threw;
  return operation.unknown === undefined && classify(error, failures, policy.isFinal) === 'final'
    ? { kind: 'refused', error }
    : { kind: 'threw', error };
}
