import { HEADER, type IdempotencyKey, isAcceptedBody, wrapInput } from '@semel/contract/v1/pure';
import type { Operation, OperationLink, TRPCLink } from '@trpc/client';
import type { Call } from '../delivery/deliver.ts';
import { adopt, type Core, send } from '../delivery/send.ts';
import type { Start } from '../delivery/within.ts';
import { type OpenOutcome, SemelClientError } from '../errors.ts';
import { type Intent, intentId } from '../intent/intent.ts';
import { CARRIED, type Carried, type Carrier } from './carrier.ts';
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
  (core: Core, carrier: Carrier): TRPCLink<Any> =>
  () =>
  ({ op, next }) => {
    const { signal, path, input } = op;
    const { idempotency, idempotencyKey, intent, resume } = op.context as CallContext;
    if (op.type !== 'mutation' || idempotency === false) {
      if (idempotencyKey ?? intent) core.events.warn('key_on_query', path);
      return next(op);
    }
    const slot = takeSlot();
    const id = intentId(intent);
    const action = core.actions.of(path, input, idempotencyKey, id);
    const entry = core.entry(path, input, action.intent);
    const call = callFrom(op, next, carrier, core.policy.statusPath);
    return observable((observer) => {
      const end = new AbortController();
      const abort = () => end.abort(signal?.reason);
      if (signal?.aborted) abort();
      signal?.addEventListener('abort', abort);
      let done = false;
      const sent = () => send(core, action, entry, call, end.signal);
      const fresh = !idempotencyKey && id === undefined && !action.sent;
      void (resume && fresh ? adopt(core, action, entry, sent) : sent()).then((delivered) => {
        const { outcome } = delivered;
        done = true;
        // `wait()` of an accepted outcome goes on under the same signal.
        if (outcome.status !== 'accepted') signal?.removeEventListener('abort', abort);
        if (slot) slot.outcome = outcome;
        if ('value' in delivered) {
          observer.next?.(delivered.value as Any);
          return observer.complete?.();
        }
        // The server's own answer untouched, or that there is none.
        const error = 'error' in delivered ? delivered.error : new SemelClientError(outcome as OpenOutcome);
        observer.error?.(error as Any);
      });
      return () => {
        if (!done) abort();
      };
    });
  };

/** A call as the delivery needs it: sent, recognised as accepted, asked about. */
function callFrom(op: Operation, next: Next, carrier: Carrier, statusPath: string): Call<Answered> {
  let carried: Carried | undefined;
  const start =
    <T>(make: () => Operation, read: (answer: Answered) => T): Start<T> =>
    (resolve, reject) => {
      const subscription = next(make()).subscribe({
        next: (answer) => resolve(read(answer as Answered)),
        error: reject,
        complete: () => reject(new Error('completed without an answer')),
      });
      return () => subscription.unsubscribe();
    };
  return {
    keyed: () => !!carried?.sent,
    attempt: (key) =>
      start(
        () => {
          const envelope = carrier === 'envelope';
          carried = { ...key, sent: envelope || !!carried?.sent, index: 0, calls: 0 };
          return envelope
            ? { ...op, input: wrapInput(key, op.input) }
            : { ...op, context: { ...op.context, [CARRIED]: carried } };
        },
        (answer) => answer,
      ),
    accepted: ({ result: { data } }) => (isAcceptedBody(data) ? data : undefined),
    status: (operationId) =>
      start(
        () => ({ ...op, type: 'query', path: statusPath, input: { operationId } }),
        (answer) => answer.result.data,
      ),
    read({ result: { data }, context }) {
      const headers = context?.response?.headers;
      // A stream (which has no JSON as a whole) has sent its headers before its results are known.
      if (!carried?.calls || !headers || !context.responseJSON) {
        return { data, replayed: undefined };
      }
      const mark = headers.get(HEADER.replayed) ?? '';
      const place = carried.calls > 1 ? `${carried.index}` : 'true';
      return { data, replayed: mark.split(/\s*,\s*/).includes(place) };
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
