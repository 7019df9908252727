import { randomBytes } from 'node:crypto';
import { createSemel } from '@semel/server';
import { httpIdempotency } from '@semel/server/http';
import { createPostgresStore, migratePostgres } from '@semel/store-postgres';
import pg from 'pg';
import { createGate, type Gate } from '../fixtures/gate.ts';

/** The routes that every framework serves here: the same functions, from `Request` to `Response`. */
export type Routes = Awaited<ReturnType<typeof createApplication>>['routes'];

/** Orders in a schema of their own: no unique constraint, so a second effect would show. */
export async function createApplication(databaseUrl: string) {
  const schema = `t_${randomBytes(6).toString('hex')}`;
  await migratePostgres({ connection: databaseUrl, schema });
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 });
  await pool.query(`CREATE TABLE ${schema}.orders (id int GENERATED ALWAYS AS IDENTITY, sku text)`);
  const store = createPostgresStore({ connection: databaseUrl, schema });
  const semel = createSemel({ store, recovery: false });
  const idempotent = httpIdempotency({
    semel,
    scope: (request) => /^Bearer (\w+)$/.exec(request.headers.get('authorization') ?? '')?.[1],
  });
  const insert = async (tx: pg.ClientBase, sku: unknown): Promise<unknown> => {
    const text = `INSERT INTO ${schema}.orders (sku) VALUES ($1) RETURNING id, sku`;
    return (await tx.query(text, [sku])).rows[0];
  };
  const gates = new Map<string, Gate>();

  const routes = {
    create: idempotent(
      {
        name: 'orders.create',
        mode: 'atomic',
        replayHeaders: ['X-Price-List'],
        async admit(request) {
          const body = (await request.json().catch(() => undefined)) as { sku?: unknown } | undefined;
          return typeof body?.sku === 'string'
            ? { sku: body.sku }
            : Response.json({ message: 'An order needs a sku' }, { status: 400 });
        },
      },
      async (_request, { operation, admitted: { sku } }) => {
        const order = await insert(operation.tx, sku);
        await gates.get(sku)?.pass();
        if (sku === 'sold-out') return Response.json({ message: 'Sold out' }, { status: 409 });
        if (sku === 'flagged') {
          return operation.refuse(Response.json({ message: 'Being looked at' }, { status: 409 }));
        }
        if (sku === 'overloaded') return Response.json({ message: 'Later' }, { status: 503 });
        if (sku === 'broken') throw new Error('out of paper');
        return Response.json(order, {
          status: 201,
          headers: {
            Location: `/orders/${sku}`,
            'Set-Cookie': 'sid=1; HttpOnly',
            'X-Price-List': '2026',
            'X-Request-Id': 'first',
          },
        });
      },
    ),
    /** Gives the bytes that it got back in reverse. */
    upload: idempotent({ name: 'files.put', mode: 'atomic' }, async (request, { operation }) => {
      await insert(operation.tx, 'upload');
      const bytes = new Uint8Array(await request.arrayBuffer());
      return new Response(bytes.toReversed(), { headers: { 'Content-Type': 'application/octet-stream' } });
    }),
    form: idempotent({ name: 'forms.post', mode: 'atomic' }, async (request, { operation }) => {
      const form = await request.formData();
      await insert(operation.tx, form.get('sku'));
      return Response.json({ fields: [...form.keys()] });
    }),
    /** Effects outside: leased, settled with the answer in one commit. */
    ship: idempotent(
      { name: 'orders.ship', mode: 'leased', effects: 'steps' },
      async (_request, { operation }) => {
        const label = await operation.step('label', async (childKey) => childKey.length);
        return operation.settle(async (tx) => {
          await insert(tx, `label-${label}`);
          return new Response(null, { status: 204, headers: { ETag: '"shipped"' } });
        });
      },
    ),
    status: idempotent.status(),
  };

  return {
    routes,
    semel,
    store,
    /** The next run for this sku waits inside its transaction until the gate is opened. */
    gate(sku: string): Gate {
      const gate = createGate();
      gates.set(sku, gate);
      return gate;
    },
    async count(sku: string): Promise<number> {
      const { rows } = await pool.query(`SELECT count(*)::int AS n FROM ${schema}.orders WHERE sku = $1`, [
        sku,
      ]);
      return rows[0].n;
    },
    /** Operations on record. */
    async recorded(): Promise<number> {
      return (await pool.query(`SELECT count(*)::int AS n FROM ${schema}.operation`)).rows[0].n;
    },
    async close() {
      await semel.close();
      await store.close();
      await pool.query(`DROP SCHEMA ${schema} CASCADE`);
      await pool.end();
    },
  };
}
