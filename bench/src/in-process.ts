import { fingerprint } from '@semel/contract/v1/pure';
import { createMemoryStore, createSemel, type Semel } from '@semel/server';
import { createOutcomeCodec, type Handler, policyFrom } from '@semel/server/adapter';
import {
  type IdempotencyContext,
  type IdempotencyMeta,
  internalIdempotencyContext,
  trpcIdempotency,
} from '@semel/server/trpc';
import { createPostgresStore, migratePostgres } from '@semel/store-postgres';
import { initTRPC } from '@trpc/server';
import pg from 'pg';
import superjson from 'superjson';
import type { Variant } from './measure.ts';

const EFFECT = { name: 'effect', text: 'insert into bench.effect (id, note) values ($1, $2)' };
const CLAIM = {
  name: 'hand_claim',
  text: 'insert into bench.hand (key, fingerprint) values ($1, $2) on conflict do nothing',
};
const COMPLETE = {
  name: 'hand_complete',
  text: "update bench.hand set outcome = $2, state = 'completed' where key = $1",
};
const BY_KEY = { name: 'by_key', text: 'select fingerprint, state, outcome from bench.hand where key = $1' };

/** About 1 KB, as an order or a payment is. */
export const PAYLOAD = {
  customer: 'cus_8fj29dk20',
  reference: 'order 2026-11-22/00017',
  lines: Array.from({ length: 12 }, (_, i) => ({
    sku: `sku-${i}`,
    quantity: i + 1,
    price: 1999 + i,
    note: 'gift wrap, please',
  })),
};

export interface Rig {
  readonly first: readonly Variant[];
  readonly replay: readonly Variant[];
  readonly engine: readonly Variant[];
  readonly trpc: readonly Variant[];
  close(): Promise<void>;
}

/** Everything that is compared, on one Postgres, within one process. */
export async function createRig(databaseUrl: string): Promise<Rig> {
  const stamp = Date.now().toString(36);
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 10, pipeline: true } as pg.PoolConfig);
  await pool.query(`create schema if not exists bench;
    create table if not exists bench.effect (id text primary key, note text not null);
    create table if not exists bench.hand (key text primary key, fingerprint text not null, state text not null default 'processing', outcome text)`);
  await migratePostgres({ connection: databaseUrl, schema: 'bench_semel' });
  const store = createPostgresStore({ connection: databaseUrl, schema: 'bench_semel' });
  const semel = createSemel({ store, recovery: false });
  const runDirect = runner(semel);
  const outcome = JSON.stringify(PAYLOAD);

  const handWritten = async (i: number): Promise<void> => {
    const key = `${stamp}-h-${i}`;
    const client = await pool.connect();
    const claimed = Promise.all([
      client.query('begin'),
      client.query({ ...CLAIM, values: [key, fingerprint('x', PAYLOAD)] }),
    ]);
    await claimed;
    await client.query({ ...EFFECT, values: [key, 'hand'] });
    await Promise.all([client.query({ ...COMPLETE, values: [key, outcome] }), client.query('commit')]);
    client.release();
  };

  const HOT = 1000;
  for (let i = 0; i < HOT; i++) {
    await pool.query(
      "insert into bench.hand (key, fingerprint, state, outcome) values ($1, 'f', 'completed', $2) on conflict do nothing",
      [`${stamp}-hot-${i}`, outcome],
    );
    await runDirect('atomic', `${stamp}-hot-${i}`);
  }
  const memory = createSemel({ store: createMemoryStore(), recovery: false });
  const callMemory = caller(memory);

  const direct = runner(memory);
  return {
    first: [
      { name: 'hand-written transaction, 3 flights', call: handWritten },
      { name: 'semel atomic', call: (i) => runDirect('atomic', `${stamp}-a-${i}`) },
      { name: 'semel leased', call: (i) => runDirect('leased', `${stamp}-l-${i}`) },
      { name: 'bare insert', call: (i) => pool.query({ ...EFFECT, values: [`${stamp}-b-${i}`, 'bare'] }) },
    ],
    replay: [
      {
        name: 'bare select by key',
        call: (i) => pool.query({ ...BY_KEY, values: [`${stamp}-hot-${i % HOT}`] }),
      },
      { name: 'semel replay from Postgres', call: (i) => runDirect('atomic', `${stamp}-hot-${i % HOT}`) },
    ],
    engine: [
      { name: 'fingerprint of 1 KB alone', call: async () => fingerprint('bench', PAYLOAD) },
      { name: 'semel atomic, memory store', call: (i) => direct('atomic', `${stamp}-m-${i}`) },
      { name: 'semel leased, memory store', call: (i) => direct('leased', `${stamp}-k-${i}`) },
      { name: 'semel replay, memory store', call: () => direct('atomic', `${stamp}-m-0`) },
    ],
    trpc: [
      { name: 'tRPC procedure that does nothing', call: (i) => callMemory('nothing', `${stamp}-n-${i}`) },
      { name: 'semel atomic, memory store', call: (i) => callMemory('atomic', `${stamp}-tm-${i}`) },
      { name: 'semel replay, memory store', call: () => callMemory('atomic', `${stamp}-tm-0`) },
    ],
    async close() {
      await semel.close();
      await memory.close();
      await store.close();
      await pool.end();
    },
  };
}

interface Context {
  readonly idempotency: IdempotencyContext;
}

/** The engine as an adapter calls it: fingerprint, claim, handler with one insert, stored outcome. */
function runner<Tx>(semel: Semel<Tx>): (mode: 'atomic' | 'leased', key: string) => Promise<unknown> {
  const policies = { atomic: policyFrom({ mode: 'atomic' }), leased: policyFrom({ mode: 'leased' }) };
  const outcomes = createOutcomeCodec();
  const handlers: Record<'atomic' | 'leased', Handler<Tx>> = {
    atomic: async ({ tx, id }) => {
      await insert(tx, id);
      return PAYLOAD;
    },
    leased: (operation) =>
      operation.settle(async (tx) => {
        await insert(tx, operation.id);
        return PAYLOAD;
      }),
  };
  return (mode, key) =>
    semel.engine.run(
      {
        scope: 'bench',
        procedure: `bench.${mode}`,
        key,
        ageMs: undefined,
        fingerprint: fingerprint(`bench.${mode}`, PAYLOAD),
        policy: policies[mode],
        failures: {
          statusOf: () => undefined,
          describe: () => ({ httpStatus: 500, code: 'X', message: '' }),
        },
        outcomes,
        trace: { actor: 'request' },
      },
      handlers[mode],
    );
}

async function insert(tx: unknown, id: string): Promise<void> {
  if (tx instanceof Object && 'query' in tx)
    await (tx as pg.ClientBase).query({ ...EFFECT, values: [id, 'semel'] });
}

/** A tRPC router as an application has it, called in process: admission and adapter are part of what is measured. */
function caller<Tx>(
  semel: Semel<Tx>,
): (procedure: 'atomic' | 'leased' | 'nothing', key: string) => Promise<unknown> {
  const t = initTRPC.context<Context>().meta<IdempotencyMeta>().create({ transformer: superjson });
  const idempotent = trpcIdempotency({ semel, scope: () => 'bench' });
  const router = t.router({
    nothing: t.procedure.input((input: unknown) => input).mutation(() => PAYLOAD),
    atomic: idempotent(t.procedure)
      .meta({ idempotency: { mode: 'atomic' } })
      .input((input: unknown) => input)
      .mutation(async ({ ctx }) => {
        await insert(ctx.operation.tx, ctx.operation.id);
        return PAYLOAD;
      }),
    leased: idempotent(t.procedure)
      .meta({ idempotency: { mode: 'leased' } })
      .input((input: unknown) => input)
      .mutation(({ ctx }) =>
        ctx.operation.settle(async (tx) => {
          await insert(tx, ctx.operation.id);
          return PAYLOAD;
        }),
      ),
  });
  const createCaller = t.createCallerFactory(router);
  return (procedure, key) =>
    createCaller({ idempotency: internalIdempotencyContext(key) })[procedure](PAYLOAD);
}
