import type { FastifyInstance } from 'fastify';

/** What has to answer for this server to be of use. Rejects when it doesn't. */
export type Check = () => Promise<unknown>;

const CHECK_TIMEOUT_MS = 2_000;

/**
 * `/healthz`: the process answers; restart it otherwise. `/readyz`: it should get traffic; 503 while it drains or what
 * it depends on is away. Neither asks for a key or says more than names.
 */
export function addHealth(
  app: FastifyInstance,
  {
    isDraining,
    checks,
  }: { readonly isDraining: () => boolean; readonly checks: Readonly<Record<string, Check>> },
): void {
  const open = { config: { rateLimit: false as const }, logLevel: 'warn' as const };
  app.get('/healthz', open, async () => ({ status: 'ok' }));
  app.get('/readyz', open, async (_request, reply) => {
    if (isDraining()) return reply.status(503).send({ status: 'draining' });
    const names = Object.keys(checks);
    const results = await Promise.allSettled(Object.values(checks).map((check) => bounded(check)));
    const failing = names.filter((_, index) => results[index]?.status === 'rejected');
    if (failing.length > 0) return reply.status(503).send({ status: 'unavailable', failing });
    return { status: 'ready' };
  });
}

async function bounded(check: Check): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), CHECK_TIMEOUT_MS);
  });
  try {
    await Promise.race([check(), late]);
  } finally {
    clearTimeout(timer);
  }
}
