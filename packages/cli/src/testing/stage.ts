import { randomBytes } from 'node:crypto';
import { createSemel, type IdempotencyPolicy, type KeyRing, type Semel } from '@semel/server';
import {
  createWorker,
  type IdempotencyContext,
  type IdempotencyMeta,
  internalIdempotencyContext,
  trpcIdempotency,
} from '@semel/server/trpc';
import { createPostgresStore, migratePostgres } from '@semel/store-postgres';
import { createPgBossJobs } from '@semel/store-postgres/jobs';
import { initTRPC } from '@trpc/server';
import pg from 'pg';
import { inject, vi } from 'vitest';
import { z } from 'zod';
import type { Terminal } from '../command.ts';
import { type Ended, runCommand } from './terminal.ts';

declare module 'vitest' {
  interface ProvidedContext {
    databaseUrl: string;
  }
}

interface Context {
  readonly user: string;
  readonly idempotency: IdempotencyContext | undefined;
}

export interface StageOptions {
  readonly keyRing?: KeyRing;
  readonly policy?: Partial<IdempotencyPolicy>;
}

/** A database with a server in front of it whose provider is down until the test says otherwise, and the command. */
export async function setStage({ keyRing, policy }: StageOptions = {}) {
  const url = inject('databaseUrl');
  const schema = `cli_${randomBytes(5).toString('hex')}`;
  const jobsSchema = `${schema}_jobs`;
  await migratePostgres({ connection: url, schema });
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  const store = createPostgresStore({ connection: url, schema });
  const jobs = createPgBossJobs({ connection: url, schema: jobsSchema, pollEveryMs: 100 });
  await jobs.start();
  const semel = createSemel({ store, jobs, recovery: false, ...(keyRing && { keyRing }) });
  const provider = { isDown: true, sent: [] as string[] };
  const { router, call } = payouts(semel, provider, policy);
  let worker: ReturnType<typeof createWorker> | undefined;
  const options = ['--database', url, '--schema', schema, '--jobs-schema', jobsSchema];

  return {
    url,
    schema,
    jobsSchema,
    store,
    semel,
    provider,
    pool,
    /** Accepts a payout. @returns its operation's id */
    async accept(key: string, user = 'alice'): Promise<string> {
      await call(user, key);
      const found = await store.lookup({ scope: user, procedure: 'payouts.send', key });
      if (found === undefined) throw new Error('It was not accepted');
      return found.record.operationId;
    },
    work() {
      worker ??= createWorker({
        semel,
        router,
        createContext: ({ principal }) => ({ user: principal, idempotency: undefined }),
        healEveryMs: 60_000,
        resolveEveryMs: 60_000,
      });
    },
    async state(operationId: string): Promise<string | undefined> {
      return (await store.find(operationId))?.record.state;
    },
    /** `semel <args>` on this database, as `operator:alice` unless it says otherwise. */
    cli: (
      args: readonly string[],
      surroundings: Partial<Terminal> & { readonly input?: string } = {},
    ): Promise<Ended> => runCommand([...args, ...options], surroundings),
    env: { DATABASE_URL: url },
    options,
    async close() {
      await worker?.close(2000);
      await semel.close();
      await jobs.close();
      await store.close();
      await pool.query(`DROP SCHEMA ${schema} CASCADE; DROP SCHEMA IF EXISTS ${jobsSchema} CASCADE`);
      await pool.end();
    },
  };
}

function payouts(
  semel: Semel<pg.ClientBase>,
  provider: { readonly isDown: boolean; readonly sent: string[] },
  policy: Partial<IdempotencyPolicy> | undefined,
) {
  const t = initTRPC.context<Context>().meta<IdempotencyMeta>().create({ isDev: false });
  const idempotent = trpcIdempotency({ semel, scope: (ctx: Context) => ctx.user });
  const queued = {
    mode: 'queued',
    effects: 'steps',
    maxAttempts: 1,
    backoff: { minMs: 1, maxMs: 5 },
    deadLetterOwner: 'payments',
    ...policy,
  } as IdempotencyPolicy;
  const router = t.router({
    send: idempotent(t.procedure)
      .meta({ idempotency: { ...queued, name: 'payouts.send' } })
      .input(z.object({ cents: z.number() }))
      .mutation(async ({ ctx: { operation }, input }) => {
        operation.progress({ done: 1, of: 2 });
        // It goes its own way: an attempt that ends at once would be faster.
        await vi.waitUntil(() => semel.store.queue.progress(operation.id));
        return operation.step('send', async (childKey) => {
          if (provider.isDown) throw new Error('the provider is down');
          provider.sent.push(childKey);
          return { sent: input.cents };
        });
      }),
  });
  const create = t.createCallerFactory(router);
  return {
    router,
    /** As a request would; what it is answered (202 in whatever form) is none of these tests' business. */
    call: (user: string, key: string) =>
      create({ user, idempotency: internalIdempotencyContext(key) })
        .send({ cents: 100 })
        .then(
          () => {},
          () => {},
        ),
  };
}
