import cors from '@fastify/cors';
import { CORS_ALLOW_HEADERS, CORS_EXPOSE_HEADERS } from '@semel/contract/v1/pure';
import type { FastifyInstance } from 'fastify';
import type { Settings } from '../settings.ts';

/**
 * Lets web pages of other origins call, and read what the contract's headers say, on errors too. Has to stand before
 * whatever may refuse. No cookies are involved: who calls is in `Authorization`.
 */
export async function allowOrigins(
  app: FastifyInstance,
  { corsOrigins }: Pick<Settings, 'corsOrigins'>,
): Promise<void> {
  if (corsOrigins.length === 0) return;
  await app.register(cors, {
    origin: [...corsOrigins],
    methods: ['GET', 'HEAD', 'POST'],
    allowedHeaders: ['Authorization', 'Content-Type', 'Traceparent', 'Trpc-Accept', ...CORS_ALLOW_HEADERS],
    exposedHeaders: ['X-Request-Id', ...CORS_EXPOSE_HEADERS],
    maxAge: 600,
    strictPreflight: false,
  });
}
