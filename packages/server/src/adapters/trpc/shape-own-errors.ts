import { getTRPCErrorFromUnknown, type TRPCError } from '@trpc/server';
import { errorCallOf } from './entered.ts';
import { shapeOwnError } from './errors.ts';
import type { AnyBuilder, Middleware, MiddlewareCall, MiddlewareResult } from './trpc-internals.ts';

/** Fixes the shapes of this adapter's errors before any formatter of the application sees them. */
export function shapeOwnErrors(builder: AnyBuilder): Middleware {
  return withOwnShapes(builder, (call) => call.next());
}

/** The same for what one middleware answers or throws: a middleware less for every call to pass through. */
export function withOwnShapes(builder: AnyBuilder, middleware: Middleware): Middleware {
  const { config } = builder._def;

  async function shaped(error: TRPCError, call: MiddlewareCall): Promise<TRPCError> {
    const shape = shapeOwnError(error, config, await errorCallOf(call));
    if (shape === undefined) return error;
    // tRPC's own formatter middleware is the public way to fix an error's shape.
    const [fix] = builder.errors(() => shape)._def.middlewares.slice(-1);
    const result = await fix?.({ ...call, next: async () => ({ ok: false, error }) });
    return result !== undefined && !result.ok ? result.error : error;
  }

  return async (call) => {
    const result = await middleware(call).catch(
      (cause: unknown) => ({ ok: false, error: getTRPCErrorFromUnknown(cause) }) satisfies MiddlewareResult,
    );
    return result.ok ? result : { ...result, error: await shaped(result.error, call) };
  };
}
