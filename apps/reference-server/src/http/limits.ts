import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Settings } from '../settings.ts';

/**
 * Counts requests per API key, or per address where there is none: a tenant that storms doesn't slow another one down,
 * and made-up keys get no buckets of their own. Each server counts for itself. Needs authentication to have run.
 */
export async function limitRates(
  app: FastifyInstance,
  { rateLimit: { max, windowMs } }: Settings,
): Promise<void> {
  await app.register(rateLimit, {
    max,
    timeWindow: windowMs,
    keyGenerator: callerOf,
    errorResponseBuilder: (_request, { after, ttl }) => {
      const error = new Error(`Too many requests with this API key: try again in ${after}`);
      return Object.assign(error, { statusCode: 429, retryAfterMs: ttl });
    },
  });
}

const callerOf = (request: FastifyRequest): string => {
  const { authentication } = request;
  return authentication?.kind === 'known' ? authentication.principal.keyId : request.ip;
};
