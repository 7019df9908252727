import type { IdempotencyContext, IdempotencyMeta } from '@semel/server/trpc';
import { initTRPC, TRPCError } from '@trpc/server';
import superjson from 'superjson';
import { ZodError } from 'zod';
import type { Authentication, Principal } from '../access/authenticate.ts';
import { allows, type Permission } from '../access/roles.ts';
import type { RestMeta } from '../rest/route.ts';

/** What a procedure knows about the request that called it. */
export interface Context {
  readonly idempotency: IdempotencyContext;
  /** Over HTTP once for a request; on a socket with each call, so that a revoked key ends there too. */
  authenticate(): Promise<Authentication>;
  /** Sockets only: HTTP requests were counted at the door. */
  isOverLimit(): Promise<{ readonly retryAfterMs: number } | undefined>;
}

export const t = initTRPC
  .context<Context>()
  .meta<IdempotencyMeta & RestMeta>()
  .create({
    transformer: superjson,
    isDev: false, // no stack traces in answers, whatever NODE_ENV says
    errorFormatter({ shape, error }) {
      if (error.code === 'INTERNAL_SERVER_ERROR') return { ...shape, message: 'Internal server error' };
      if (!(error.cause instanceof ZodError)) return shape;
      const issues = error.cause.issues.map(({ path, message }) => ({ path: path.join('.'), message }));
      return { ...shape, message: 'The input is not valid', data: { ...shape.data, issues } };
    },
  });

/**
 * Who may call. Runs before the claim: a call that is refused here leaves no trace, and the key can be used again.
 *
 * @throws TRPCError UNAUTHORIZED without a valid key, FORBIDDEN without the right, SERVICE_UNAVAILABLE when nobody
 *   could look it up, TOO_MANY_REQUESTS on a socket that calls too often
 */
export const permitted = (permission: Permission) =>
  t.procedure.use(async ({ ctx, next }) => {
    const over = await ctx.isOverLimit();
    if (over !== undefined) {
      throw new TRPCError({
        code: 'TOO_MANY_REQUESTS',
        message: `Too many requests with this API key: try again in ${Math.ceil(over.retryAfterMs / 1000)} s`,
      });
    }
    const principal = principalFrom(await ctx.authenticate());
    if (!allows(principal.roles, permission)) {
      throw new TRPCError({
        code: 'FORBIDDEN',
        message: `This API key may not ${permission}: its roles are ${principal.roles.join(', ')}`,
      });
    }
    return next({ ctx: { principal } });
  });

/** @throws TRPCError UNAUTHORIZED, or SERVICE_UNAVAILABLE when nobody could look it up */
export function principalFrom(authentication: Authentication): Principal {
  switch (authentication.kind) {
    case 'known':
      return authentication.principal;
    case 'unknown':
      throw new TRPCError({
        code: 'UNAUTHORIZED',
        message: 'No valid API key: send Authorization: Bearer <API key>',
      });
    case 'unavailable':
      throw new TRPCError({
        code: 'SERVICE_UNAVAILABLE',
        message: 'The API key could not be checked',
        cause: authentication.cause,
      });
  }
}
