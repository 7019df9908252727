import { expect, test } from 'vitest';
import { ATOMIC, found, LEASED, QUEUED } from '../inspect.fixture.ts';

// Handlers are looked at and never run: what they name needn't exist.
// biome-ignore-start lint/suspicious/noExplicitAny: see above
declare const stripe: any, axios: any, pool: any, prisma: any, db: any, drizzle: any, sql: any, knex: any;
declare const __awaiter: any,
  __name: any,
  mailer: any,
  s3: any,
  PutObjectCommand: any,
  GetObjectCommand: any,
  getStripe: any,
  insertOrder: any;
type Any = any;
// biome-ignore-end lint/suspicious/noExplicitAny: see above

const outside = (what: string, tool = 'a step') =>
  `effect_outside_step: looks like ${what} has an effect outside of ${tool}`;
const writes = 'a transaction, a settle or a step';

test.each([
  ['fetch with a method', async () => await fetch('http://x', { method: 'POST' }), outside('fetch()')],
  [
    'fetch whose options have a name',
    async () => {
      const init = { method: 'DELETE' };
      return { ok: (await globalThis.fetch('http://x', init)).ok };
    },
    outside('globalThis.fetch()'),
  ],
  [
    'fetch of a Request',
    async () => ({ ok: (await fetch(new Request('http://x', { method: 'PUT' }))).ok }),
    outside('fetch()'),
  ],
  ['axios', async ({ input }: Any) => (await axios.post('http://x', input)).data, outside('axios.post()')],
  [
    'axios with options',
    async () => (await axios({ url: 'http://x', method: 'patch' })).data,
    outside('axios()'),
  ],
  [
    'stripe',
    async ({ input }: Any) => ({ id: (await stripe.paymentIntents.create(input)).id }),
    outside('stripe.paymentIntents.create()'),
  ],
  [
    'stripe made on the way',
    async () => ({ id: (await getStripe().refunds.create({})).id }),
    outside('getStripe().refunds.create()'),
  ],
  [
    'stripe in the context',
    async ({ ctx }: Any) => ({ id: (await ctx.stripe.charges.create({})).id }),
    outside('ctx.stripe.charges.create()'),
  ],
  [
    'stripe out of the context',
    async ({ ctx: { stripe: client } }: Any) => ({ id: (await client.charges.capture('x')).id }),
    outside('ctx.stripe.charges.capture()'),
  ],
  ['a mail', async () => void (await mailer.send({ to: 'ann' })), outside('mailer.send()')],
  ['a command of a kit', async () => void (await s3.send(new PutObjectCommand({}))), outside('s3.send()')],
  [
    'SQL',
    async () => void (await pool.query('INSERT INTO orders VALUES ($1)', [1])),
    outside('pool.query()', writes),
  ],
  [
    'SQL in a template',
    async ({ input }: Any) =>
      void (await pool.query(`
     UPDATE orders SET state = ${input.state}`)),
    outside('pool.query()', writes),
  ],
  [
    'SQL behind WITH',
    async () => void (await pool.query({ text: 'WITH x AS (SELECT 1) DELETE FROM orders USING x' })),
    outside('pool.query()', writes),
  ],
  ['a tagged template', async () => void (await sql`DELETE FROM orders`), outside('sql`…`', writes)],
  [
    'a model',
    async () => ({ id: (await prisma.order.create({ data: {} })).id }),
    outside('prisma.order.create()', writes),
  ],
  [
    'a query builder',
    async () => void (await db.insert('orders').values({})),
    outside('db.insert()', writes),
  ],
  [
    'another',
    async () => void (await knex('orders').update({ state: 'x' })),
    outside('knex().update()', writes),
  ],
  [
    'in a function of the handler',
    async () => {
      const charge = async () => (await stripe.charges.create({})).id;
      return { id: await charge() };
    },
    outside('stripe.charges.create()'),
  ],
  [
    'through a function that gets it',
    async ({ ctx }: Any) => {
      const charge = async (client: Any) => ({ id: (await client.charges.create({})).id });
      return charge(ctx.stripe);
    },
    outside('ctx.stripe.charges.create()'),
  ],
  [
    'as compilers write it for old engines',
    ({ ctx }: Any) =>
      __awaiter(function* (): Any {
        yield ctx.stripe.charges.create({});
      }),
    outside('ctx.stripe.charges.create()'),
  ],
  [
    'in a callback',
    async ({ input }: Any) => {
      await Promise.all(input.lines.map((line: Any) => stripe.charges.create(line)));
    },
    outside('stripe.charges.create()'),
  ],
  [
    'of a compiled import',
    // biome-ignore lint/complexity/noCommaOperator: as compilers write it
    async () => ({ id: (await (0, axios.post)('http://x')).id }),
    outside('axios.post()'),
  ],
])('a leased handler with an effect outside of a step is found: %s', async (_, handler, expected) => {
  expect((await found(LEASED, handler)).filter((one) => one.startsWith('effect'))).toEqual([expected]);
});

test.each([
  [
    'in a step',
    async ({ ctx }: Any) =>
      ctx.operation.step('charge', (key: string) => stripe.charges.create({}, { idempotencyKey: key })),
  ],
  [
    'in a function that a step gets',
    async ({ ctx: { operation } }: Any) => {
      const charge = (key: string) => stripe.charges.create({}, { idempotencyKey: key });
      return operation.step('charge', { input: {} }, charge);
    },
  ],
  [
    'in a function that a step calls',
    async ({ ctx: { operation } }: Any) => {
      async function charge(key: string) {
        return { id: (await stripe.charges.create({}, { idempotencyKey: key })).id };
      }
      return operation.step('charge', (key: string) => charge(key));
    },
  ],
  [
    'written through settle',
    async ({ ctx: { operation: op } }: Any) =>
      op.settle(async (tx: Any) => {
        await tx.query('INSERT INTO orders VALUES (1)');
        await drizzle(tx).insert('orders').values({});
        const db = drizzle(tx);
        await db.update('orders').set({});
        await insertOrder(tx);
        await knex('orders').transacting(tx).insert({});
      }),
  ],
  [
    'in a function that gets the operation',
    async ({ ctx: { operation } }: Any) => {
      const pay = (op: Any, order: Any) =>
        op.step('charge', (key: string) => stripe.charges.create(order, { idempotencyKey: key }));
      return pay(operation, {});
    },
  ],
  [
    'in functions as esbuild names them',
    async ({ ctx: { operation } }: Any) => {
      const charge = __name((key: string) => stripe.charges.create({}, { idempotencyKey: key }), 'charge');
      function refund(key: string) {
        return stripe.refunds.create({}, { idempotencyKey: key });
      }
      __name(refund, 'refund');
      await operation.step('charge', charge);
      return operation.step('refund', refund);
    },
  ],
  [
    'written by a function that gets the transaction',
    async ({ ctx: { operation } }: Any) => {
      const write = (t: Any, id: string) => t.query('INSERT INTO orders VALUES ($1)', [id]);
      return operation.settle(async (tx: Any) => {
        await write(tx, 'a');
        await insertOrder(tx, async (savepoint: Any) => savepoint.query('INSERT INTO orders VALUES (2)'));
      });
    },
  ],
  [
    'only asked',
    async ({ ctx }: Any) => {
      const { rows } = await pool.query('SELECT id FROM orders WHERE updated');
      const rate = await (await fetch('http://rates')).json();
      const customer = await stripe.customers.retrieve('x');
      const object = await s3.send(new GetObjectCommand({}));
      const found = await prisma.order.findMany();
      return ctx.operation.settle(async () => ({ rows, rate, customer, object, found }));
    },
  ],
  [
    'a name of its own',
    async ({ ctx, input }: Any) => {
      const fetch = (path: string, options: object) => [path, options];
      const stripe = { charges: { create: (x: number) => x + 1 } };
      const db = new Map();
      db.delete('x');
      const seen = new Set();
      seen.delete(input);
      return ctx.operation.settle(async () => [fetch('x', { method: 'POST' }), stripe.charges.create(1)]);
    },
  ],
  [
    'a function that is never called',
    async ({ ctx }: Any) => {
      const _unused = () => stripe.charges.create({});
      return ctx.operation.settle(async () => 1);
    },
  ],
  [
    'a client that is only made',
    async ({ ctx }: Any) => {
      const client = axios.create({ timeout: 1 });
      return ctx.operation.settle(async () => String(client.defaults.timeout));
    },
  ],
])('a leased handler is not reported for what is %s', async (_, handler) => {
  expect((await found(LEASED, handler)).filter((one) => /^(effect|call|write)/.test(one))).toEqual([]);
});

test.each([
  [
    'a request',
    async () => ({ ok: (await fetch('http://x', { method: 'POST' })).ok }),
    'call_in_transaction: looks like fetch() goes out of the handler of one transaction',
  ],
  [
    'a question',
    async () => (await fetch('http://x')).json(),
    'call_in_transaction: looks like fetch() goes out of the handler of one transaction',
  ],
  [
    'a mail',
    async ({ ctx }: Any) => void (await ctx.mailer.sendMail({})),
    'call_in_transaction: looks like ctx.mailer.sendMail() goes out of the handler of one transaction',
  ],
  [
    'a write beside it',
    async () => void (await pool.query('INSERT INTO x VALUES (1)')),
    "write_beside_transaction: looks like pool.query() writes on another connection than the transaction's",
  ],
])('an atomic handler is found with %s', async (_, handler, expected) => {
  expect(await found(ATOMIC, handler)).toEqual([expected]);
});

test.each([
  [
    'its own transaction',
    async ({ ctx }: Any) => {
      const { tx } = ctx.operation;
      await tx.query('INSERT INTO orders VALUES (1)');
    },
  ],
  ['its own transaction, by member', ({ ctx }: Any) => ctx.operation.tx.query('UPDATE orders SET a = 1')],
  [
    'its own transaction, by parameter',
    ({ ctx: { operation } }: Any) => operation.tx.query('DELETE FROM orders'),
  ],
  [
    'a query builder on it',
    async ({
      ctx: {
        operation: { tx },
      },
    }: Any) => {
      const db = drizzle(tx);
      await db.insert('orders').values({});
      await db.execute(sql`UPDATE orders SET a = 1`);
      return insertOrder(tx, { id: 1 });
    },
  ],
  ['a question to another connection', async () => (await pool.query('SELECT 1')).rows],
  [
    'a mail that is only written down',
    async ({ ctx: { operation } }: Any) => void (await mailer.sendMail(operation.tx, {})),
  ],
])('an atomic handler is not reported for %s', async (_, handler) => {
  expect(await found(ATOMIC, handler)).toEqual([]);
});

test('a call inside of a settling transaction is found, and a write beside it', async () => {
  const handler = async ({ ctx: { operation } }: Any) =>
    operation.settle(async (tx: Any) => {
      await stripe.refunds.create({});
      await pool.query('INSERT INTO audit VALUES (1)');
      await tx.query('INSERT INTO orders VALUES (1)');
    });
  expect(await found(LEASED, handler)).toEqual([
    'call_in_transaction: looks like stripe.refunds.create() goes out of a transaction',
    "write_beside_transaction: looks like pool.query() writes on another connection than the transaction's",
  ]);
});

test('a queued handler is looked at as the leased one that it runs as', async () => {
  const pays = async () => (await fetch('http://x', { method: 'POST' })).ok;
  expect(await found(QUEUED, pays)).toEqual(await found(LEASED, pays));
  expect(await found(QUEUED, pays)).toContainEqual(outside('fetch()'));
  const asks = async () => (await fetch('http://x')).ok;
  expect((await found(QUEUED, asks)).filter((what) => what.includes('fetch()'))).toEqual([]);
});
