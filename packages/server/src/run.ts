import { createProblem, fingerprint, type IdempotencyProblem, isValidKey } from '@semel/contract/v1/pure';
import { type Admitted, admitRequest } from './admission/admit-request.ts';
import { isIdempotencyError } from './admission/idempotency-error.ts';
import { type IdempotencyPolicy, PolicyError, policyOn } from './admission/policy.ts';
import type { Engine } from './engine/engine.ts';
import { type DescribedError, type FailureCodec, statusSaidBy } from './engine/failure.ts';
import type { Operation } from './engine/operation.ts';
import { createOutcomeCodec } from './engine/outcome.ts';
import type { Refusal } from './engine/refusal.ts';
import { traceOf } from './engine/trace.ts';

/** One piece of work that no request carries: a webhook, a message, a cron job. */
export type RunCall<Input> = Omit<
  IdempotencyPolicy,
  'mode' | 'name' | 'key' | 'scope' | 'fingerprint' | 'backoff' | 'deadLetterOwner' | 'resolve'
> & {
  /** As a procedure's; not `queued`: no worker could find the function. */
  readonly mode: Exclude<IdempotencyPolicy['mode'], 'queued'>;
  /** Whose work it is. Keys of different scopes never meet. */
  readonly scope: string;
  /** The stable name of the work, as a procedure has one. */
  readonly name: string;
  /** What it is about: it comes to the handler, and the same key with another input is `key_reused`. */
  readonly input: Input;
  /** Who did it, in the audit rows. @default 'run' */
  readonly actor?: string;
} & (
    | {
        /** The message's or event's own id. 1 to 255 characters of visible ASCII; anything else fits into `keyFrom`. */
        readonly key: string;
        readonly keyFrom?: never;
      }
    | {
        /** Any value: equal values are the same operation. For ids of another form, or work that has none. */
        readonly keyFrom: unknown;
        readonly key?: never;
      }
  );

/** What became of it. An error of the handler that isn't final is thrown instead: nothing was stored, run it again. */
export type RunOutcome<T> =
  | {
      readonly kind: 'completed';
      readonly value: T;
      readonly replayed: boolean;
      readonly operationId: string;
    }
  | {
      /** Final: refused by the handler, or an error with a final status. Replayed as it was. */
      readonly kind: 'failed';
      readonly error: DescribedError;
      readonly replayed: boolean;
      readonly operationId: string;
    }
  /** Not run, and why: `in_flight`, `outcome_unknown`, `key_reused`, `store_unavailable`… */
  | { readonly kind: 'refused'; readonly problem: IdempotencyProblem; readonly cause?: unknown };

/**
 * Runs the handler once for each scope, name and key, as a keyed request would. A duplicate gets the stored outcome; one that
 * comes while the first still runs waits as `inFlight` says, and is `refused` with `in_flight` after that.
 */
export type Run<Tx> = <Input, T>(
  call: RunCall<Input>,
  handler: (operation: Operation<Tx>, input: Input) => T | Refusal | Promise<T | Refusal>,
) => Promise<RunOutcome<Awaited<T>>>;

/** The engine for callers inside the server: values come back with their types, Date, Map and bigint included. */
export function createRun<Tx>(engine: Engine<Tx>): Run<Tx> {
  const outcomes = createOutcomeCodec();

  return async (call, handler) => {
    const { scope, name, input, actor = 'run', key, keyFrom, ...given } = call;
    if (typeof scope !== 'string' || scope === '')
      throw new TypeError('semel.run needs a scope: whose work is it?');
    if (typeof name !== 'string') throw new TypeError('semel.run needs the stable name of the work');
    if ((key === undefined) === (keyFrom === undefined)) {
      throw new TypeError('semel.run takes either key or keyFrom');
    }
    if ((given as IdempotencyPolicy).mode === 'queued') {
      throw new PolicyError(
        "semel.run can't be queued: no worker could find its function. Make it a procedure with mode 'queued', or run it 'leased'",
      );
    }
    const policy = policyOn(engine, { ...given, name });
    const named = key ?? fingerprint(`${name} key`, keyFrom);
    if (!isValidKey(named)) return { kind: 'refused', problem: createProblem('key_malformed') };
    let admitted: Admitted;
    try {
      admitted = admitRequest({
        policy,
        procedure: name,
        principal: scope,
        key: { key: named },
        input,
        minKeyLength: 1,
      });
    } catch (cause) {
      if (isIdempotencyError(cause)) return { kind: 'refused', problem: cause.problem, cause };
      throw cause;
    }
    const result = await engine.run(
      {
        ...admitted,
        procedure: name,
        policy,
        failures,
        outcomes,
        trace: traceOf(actor),
      },
      async (operation) => handler(operation, input),
    );
    if (result.kind !== 'failed') return result as RunOutcome<never>;
    const { error, replayed, operationId } = result;
    return { kind: 'failed', error, replayed, operationId };
  };
}

/** An error says what it is by `status` or `statusCode`, as over HTTP, and by its `code`. */
const failures: FailureCodec = {
  statusOf: statusSaidBy,
  describe(error) {
    const { code } = (error ?? {}) as { code?: unknown };
    return {
      httpStatus: statusSaidBy(error) ?? 422,
      code: typeof code === 'string' ? code : error instanceof Error ? error.name : 'refused',
      message: error instanceof Error ? error.message : String(error),
    };
  },
};
