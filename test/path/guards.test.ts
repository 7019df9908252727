import { createSemel } from '@semel/server';
import { type IdempotencyMeta, trpcIdempotency } from '@semel/server/trpc';
import { initTRPC, TRPCError } from '@trpc/server';
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { mutate } from '../fixtures/plain-client.ts';
import { createStage, type Stage } from '../fixtures/stage.ts';
import { type Context, serveTrpc } from '../fixtures/trpc-server.ts';

// The base procedure is made idempotent first and guarded afterwards, as applications do: the claim must still be last.

let stage: Stage;
let server: Awaited<ReturnType<typeof serveTrpc>>;
const doors = { guard: true, lateGuard: true };
let runs = 0;

beforeAll(async () => {
  stage = await createStage(inject('databaseUrl'));
  const semel = createSemel({ store: stage.openStore(), recovery: false });
  const t = initTRPC.context<Context>().meta<IdempotencyMeta>().create({ isDev: false });
  const idempotent = trpcIdempotency({ semel, scope: (ctx: Context) => ctx.user });
  const base = idempotent(t.procedure);
  const guard = (door: keyof typeof doors) =>
    t.middleware(({ next }) => {
      if (!doors[door]) throw new TRPCError({ code: 'FORBIDDEN' });
      return next();
    });
  const router = t.router({
    atomic: base
      .meta({ idempotency: { mode: 'atomic' } })
      .use(guard('guard'))
      .input((value: unknown) => {
        const { amount } = value as { amount: unknown };
        if (typeof amount !== 'number') throw new TRPCError({ code: 'BAD_REQUEST', message: 'no amount' });
        return { amount };
      })
      .use(guard('lateGuard'))
      .mutation(() => ++runs),
    leased: base
      .use(guard('guard'))
      .use(guard('lateGuard'))
      .meta({ idempotency: { mode: 'leased' } })
      .mutation(() => ++runs),
  });
  server = await serveTrpc({ router, responseMeta: idempotent.responseMeta });
});
beforeEach(() => {
  Object.assign(doors, { guard: true, lateGuard: true });
});
afterAll(async () => {
  await server?.close();
  await stage?.close();
});

const stored = async (key: string) =>
  (await stage.sql('SELECT 1 FROM {s}.operation WHERE key = $1', [key])).length;

test.each([
  ['atomic', 'guard'],
  ['atomic', 'lateGuard'],
  ['leased', 'guard'],
  ['leased', 'lateGuard'],
] as const)('%s: a %s behind the idempotent base refuses before anything is claimed', async (mode, door) => {
  const key = `${mode}-${door}`;
  doors[door] = false;
  const refused = await mutate(server.url, mode, { amount: 1 }, { key });
  expect([refused.status, await stored(key)]).toEqual([403, 0]);
  doors[door] = true;
  const before = runs;
  const answer = await mutate(server.url, mode, { amount: 1 }, { key });
  expect([answer.status, runs - before]).toEqual([200, 1]);
  // A replay passes the same guards: what was forbidden meanwhile is not shown.
  doors[door] = false;
  expect((await mutate(server.url, mode, { amount: 1 }, { key })).status).toBe(403);
});

test('a parser behind the idempotent base refuses before anything is claimed, and the key stays usable', async () => {
  const refused = await mutate(server.url, 'atomic', { amount: 'much' }, { key: 'parser' });
  expect([refused.status, await stored('parser')]).toEqual([400, 0]);
  const before = runs;
  const answer = await mutate(server.url, 'atomic', { amount: 1 }, { key: 'parser' });
  expect([answer.status, runs - before]).toEqual([200, 1]);
});

test('a call without a principal is refused before anything is claimed', async () => {
  const refused = await mutate(server.url, 'atomic', { amount: 1 }, { key: 'nobody', user: '' });
  expect([refused.status, await stored('nobody')]).toEqual([401, 0]);
});
