import type { IdempotencyKey } from '@semel/contract/v1/pure';
import type { Operation, OperationLink, TRPCLink } from '@trpc/client';
import { type Call, type Delivered, failed } from '../delivery/call.ts';
import type { Core } from '../delivery/core.ts';
import { send } from '../delivery/send.ts';
import type { Start } from '../delivery/within.ts';
import { type OpenOutcome, SemelClientError } from '../errors.ts';
import type { Intent } from '../intent/intent.ts';
import type { Outcome } from '../outcome.ts';
import { acceptedIn, REPLAYED } from '../wire.ts';
import { CARRIED, type Carried } from './carrier.ts';
import { takeSlot } from './slot.ts';

// biome-ignore lint/suspicious/noExplicitAny: a link is typed by its router, which only the maker of the client knows
type Any = any;
type Next = Parameters<OperationLink<Any>>[0]['next'];
type Results = ReturnType<Next>;
type Observer = Parameters<Results['subscribe']>[0];
/** What a link passes on: a result, and with HTTP its response. */
interface Answered {
  result: { data?: unknown };
  context?: { response?: { headers: Headers }; responseJSON?: unknown };
}

/** What a call's `context` may say. */
interface CallContext {
  idempotency?: false;
  idempotencyKey?: string | IdempotencyKey;
  intent?: Intent | string;
  resume?: boolean;
}

/** The link. One call through it is one user action: one key, however often it's sent. */
export const createLink =
  (core: Core, isEnvelope: boolean): TRPCLink<Any> =>
  () =>
  ({ op, next }) => {
    const { signal, path, input } = op;
    const { idempotency, idempotencyKey, intent, resume } = op.context as CallContext;
    if (op.type !== 'mutation' || idempotency === false) {
      if (idempotencyKey ?? intent) core.events.warn('key_on_query', path);
      return next(op);
    }
    const slot = takeSlot();
    const action = core.actions.of(path, input, idempotencyKey, intent, input);
    const call = callFrom(op, next, isEnvelope, core.statusPath);
    return observable((observer) => {
      const end = new AbortController();
      const abort = () => end.abort(signal?.reason);
      if (signal?.aborted) abort();
      signal?.addEventListener('abort', abort);
      let done = false;
      const isBack = resume && !idempotencyKey && action.intent === undefined && !action.attempts;
      // It rejects only if the application's own `scope` throws.
      const sent = send(core, action, call, end.signal, undefined, isBack).catch(
        (error): Delivered<Answered> => failed(action, false, 'refused', error),
      );
      void sent.then(({ outcome, value }) => {
        done = true;
        // `wait()` of an accepted outcome goes on under the same signal.
        if (outcome.status !== 'accepted') signal?.removeEventListener('abort', abort);
        if (slot) slot.outcome = outcome;
        if (!value) return observer.error?.(errorOf(outcome) as Any);
        observer.next?.(value as Any);
        observer.complete?.();
      });
      return () => {
        if (!done) abort();
      };
    });
  };

/** What the caller gets where there is no value: the server's own refusal or the reason of the abort, or that there is no answer. */
function errorOf(outcome: Outcome<unknown>): unknown {
  if (outcome.status === 'rejected') return outcome.error;
  const isRefused =
    outcome.status === 'unknown' && (outcome.reason === 'aborted' || outcome.reason === 'refused');
  return isRefused ? outcome.cause : new SemelClientError(outcome as OpenOutcome);
}

/** A call as the delivery needs it: sent, recognised as accepted, asked about. */
function callFrom(op: Operation, next: Next, isEnvelope: boolean, statusPath: string): Call<Answered> {
  let carried: Carried | undefined;
  const start =
    (sent: Operation): Start<Answered> =>
    (resolve, reject) => {
      const subscription = next(sent).subscribe({
        next: resolve as (answer: unknown) => void,
        error: reject,
        // After an answer it means nothing; without one there will be none.
        complete: reject as () => void,
      });
      return () => subscription.unsubscribe();
    };
  return {
    keyed: () => isEnvelope || !!carried?.place,
    place: () => carried?.place,
    attempt(key) {
      if (isEnvelope) return start({ ...op, input: { $idempotency: key, input: op.input } });
      carried = Object.assign(key, { place: carried?.place });
      return start({ ...op, context: { ...op.context, [CARRIED]: carried } });
    },
    accepted: ({ result: { data } }) => acceptedIn(data),
    status: (operationId) => (resolve, reject) =>
      start({ ...op, type: 'query', path: statusPath, input: { operationId } })(
        (answer) => resolve(answer.result.data),
        reject,
      ),
    read({ result: { data }, context }) {
      // A stream (which has no JSON as a whole) has sent its headers before its results are known.
      const headers = carried && context?.responseJSON ? context.response?.headers : undefined;
      const mark = headers && (headers.get(REPLAYED) ?? '');
      return { data, replayed: mark?.split(/\s*,\s*/).includes(carried?.place ?? '') };
    },
  };
}

/** tRPC's observable as far as links use it. */
function observable(run: (observer: Observer) => () => void): Results {
  const self = {
    subscribe: (observer: Observer) => ({ unsubscribe: run(observer) }),
    pipe: (...operators: ((source: unknown) => unknown)[]) =>
      operators.reduce<unknown>((source, operator) => operator(source), self),
  };
  return self as Any;
}
