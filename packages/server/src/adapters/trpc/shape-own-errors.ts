import type { TRPCError } from '@trpc/server';
import { errorCallOf } from './entered.ts';
import { shapeOwnError } from './errors.ts';
import type { AnyBuilder, Middleware, MiddlewareCall } from './trpc-internals.ts';

/** Fixes the shapes of this adapter's errors before any formatter of the application sees them. */
export function shapeOwnErrors(builder: AnyBuilder): Middleware {
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
    const result = await call.next();
    return result.ok ? result : { ...result, error: await shaped(result.error, call) };
  };
}
