import { randomBytes } from 'node:crypto';
import { createSemel, type KeyRing, type Operation, type SemelEvent } from '@semel/server';
import { type IdempotencyMeta, trpcIdempotency } from '@semel/server/trpc';
import { createPostgresStore, migratePostgres } from '@semel/store-postgres';
import { initTRPC, TRPCError } from '@trpc/server';
import pg from 'pg';
import { inject, vi } from 'vitest';
import { mutate } from '../fixtures/plain-client.ts';
import { type Context, serveTrpc } from '../fixtures/trpc-server.ts';

export const [K1, K2] = [randomBytes(32), randomBytes(32)];
export const FIRST: KeyRing = { current: 'k1', keys: { k1: K1 } };
/** Both keys are known everywhere before anybody writes with the new one. */
export const BOTH_OLD: KeyRing = { current: 'k1', keys: { k1: K1, k2: K2 } };
export const BOTH: KeyRing = { current: 'k2', keys: { k1: K1, k2: K2 } };
export const RETIRED: KeyRing = { current: 'k2', keys: { k2: K2 } };

type Handler = (operation: Operation<pg.ClientBase>, input: Record<string, unknown>) => Promise<unknown>;

/** What the handlers of all servers do; exchanged by each test. */
export interface Handlers {
  atomic: Handler;
  leased: Handler;
}

/** A database of its own, so that all of it can be read. */
export async function createDatabase() {
  const name = `semel_enc_${randomBytes(6).toString('hex')}`;
  const admin = new pg.Client({ connectionString: inject('databaseUrl') });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${name}`);
  const url = new URL(inject('databaseUrl'));
  url.pathname = `/${name}`;
  await migratePostgres({ connection: url.href });
  const pool = new pg.Pool({ connectionString: url.href, max: 2 });
  const closing: (() => Promise<unknown>)[] = [];

  const sql = async <R extends object = Record<string, string>>(text: string, values: unknown[] = []) =>
    (await pool.query(text, values)).rows as R[];

  return {
    sql,
    /** Every column of every table, as text. */
    async everything(): Promise<string> {
      const tables = await sql<{ name: string }>(
        `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
         WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
      );
      const rows = await Promise.all(
        tables.map(({ name }) => sql<{ row: string }>(`SELECT t::text AS row FROM ${name} t`)),
      );
      return rows.flatMap((of, i) => of.map(({ row }) => `${tables[i]?.name}: ${row}`)).join('\n');
    },
    /** A server of a deployment with this key ring, or with none. */
    async serve(
      keyRing: KeyRing | undefined,
      handlers: Handlers,
      policy: { readonly encrypt?: boolean } = {},
    ) {
      const store = createPostgresStore({ connection: url.href });
      const events: SemelEvent[] = [];
      const semel = createSemel({
        store,
        recovery: false,
        onEvent: (event) => events.push(event),
        ...(keyRing && { keyRing }),
      });
      const t = initTRPC.context<Context>().meta<IdempotencyMeta>().create({ isDev: false });
      const idempotent = trpcIdempotency({ semel, scope: (ctx: Context) => ctx.user });
      const authenticated = t.procedure.use(({ ctx, next }) => {
        if (ctx.user === undefined) throw new TRPCError({ code: 'UNAUTHORIZED' });
        return next({ ctx: { user: ctx.user } });
      });
      const input = (value: unknown) => value as Record<string, unknown>;
      const waiting = { inFlight: { waitMs: 10_000 } } as const;
      const router = t.router({
        atomic: idempotent(authenticated)
          .meta({ idempotency: { mode: 'atomic', ...waiting, ...policy } })
          .input(input)
          .mutation(({ ctx, input }) => handlers.atomic(ctx.operation, input)),
        narrowed: idempotent(authenticated)
          .meta({ idempotency: { mode: 'atomic', scope: (raw) => String(input(raw).student), ...policy } })
          .input(input)
          .mutation(({ ctx, input }) => handlers.atomic(ctx.operation, input)),
        lenient: idempotent(authenticated)
          .meta({ idempotency: { mode: 'atomic', mismatch: 'replay', ...policy } })
          .input(input)
          .mutation(({ ctx, input }) => handlers.atomic(ctx.operation, input)),
        leased: idempotent(authenticated)
          .meta({ idempotency: { mode: 'leased', effects: 'steps', ...waiting, ...policy } })
          .input(input)
          .mutation(({ ctx, input }) => handlers.leased(ctx.operation, input)),
        idempotency: t.router({ status: idempotent.status(authenticated) }),
      });
      const served = await serveTrpc({ router, responseMeta: idempotent.responseMeta });
      closing.push(async () => {
        await served.close();
        await semel.close();
        await store.close();
      });
      return {
        semel,
        store,
        url: served.url,
        events,
        undecryptable: () =>
          events.flatMap((event) => (event.type === 'undecryptable' ? [`${event.what}: ${event.why}`] : [])),
        call: (path: string, key: string, given: unknown = { amount: 1250 }, user = 'alice') =>
          mutate(served.url, path, given, { key, user }),
      };
    },
    async close() {
      for (const close of closing) await close();
      await pool.end();
      // Not by force: connections may still be saying goodbye.
      await vi.waitFor(() => admin.query(`DROP DATABASE ${name}`), 10_000);
      await admin.end();
    },
  };
}

export type Database = Awaited<ReturnType<typeof createDatabase>>;
export type Server = Awaited<ReturnType<Database['serve']>>;

/** What an answer says: its data, or its problem's code and status. */
export const said = ({ status, body, code }: Awaited<ReturnType<Server['call']>>) =>
  status === 200 ? body.result.data : `${status} ${code ?? body.error?.message}`;
