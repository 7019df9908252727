import { type Unwrapped, unwrapInput } from '@semel/contract/v1/pure';
import type { ErrorCall } from './errors.ts';
import type { Middleware, MiddlewareCall } from './trpc-internals.ts';
import { type Delivery, takeDelivery } from './worker-entry.ts';

/** A call's envelope and the request's own context, from the first middleware to the claim. */
interface Entered {
  readonly envelope: Unwrapped;
  readonly ctx: object;
  /** A worker made this call: its claim was won before it began. */
  readonly delivery: Delivery | undefined;
  /** How this call came to read its input, before any middleware put something else there. */
  readonly reader: unknown;
  /** What became of it inside another's handler. */
  nested?: Promise<unknown>;
}
const ENTERED = Symbol('semel.entered');
const NO_ENVELOPE: Unwrapped = { enveloped: false };

/** First of all, so that the application's parsers see the input and not its envelope. Judged only at the claim. */
export const enter: Middleware = async (call) => {
  const delivery = takeDelivery(call.ctx);
  if (delivery !== undefined) {
    // Its input was unwrapped when it was accepted.
    const entered: Entered = { envelope: NO_ENVELOPE, ctx: call.ctx, delivery, reader: call.getRawInput };
    const ctx = { [ENTERED]: entered };
    delivery.call = { ...call, ctx: { ...call.ctx, ...ctx } };
    return call.next({ ctx });
  }
  const raw = await call.getRawInput().catch(() => undefined);
  const envelope = unwrapInput(raw);
  const reader = call.getRawInput;
  const ctx = { [ENTERED]: { envelope, ctx: call.ctx, delivery, reader } satisfies Entered };
  return envelope.enveloped && envelope.ok
    ? call.next({ ctx, getRawInput: async () => envelope.input })
    : call.next({ ctx });
};

export const enteredOf = ({ ctx, getRawInput: reader }: MiddlewareCall): Entered =>
  (ctx as { [ENTERED]?: Entered })[ENTERED] ?? { envelope: NO_ENVELOPE, ctx, delivery: undefined, reader };

/** What tRPC itself shows a root formatter: the raw input and the request's context, so that a replay looks like a first answer. */
export async function errorCallOf(call: MiddlewareCall): Promise<ErrorCall> {
  const input = await call.getRawInput().catch(() => undefined);
  return { type: call.type, path: call.path, input, ctx: enteredOf(call).ctx };
}
