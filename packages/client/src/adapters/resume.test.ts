// What a page finds open when it loads: over a real server; an earlier page is a client over the same journal.
import { describe, expect, it } from 'vitest';
import { type Journal, memoryJournal, outcomeOf, resume } from '../index.ts';
import { openPage, until } from '../test-rig/page.ts';
import { faults, startServer, type TestServer } from '../test-rig/server.ts';

const order = { sku: 'tea' };
const lost = { retry: { maxAttempts: 1 } };

/** An earlier page that lost its answers, then died. */
async function leave(
  server: TestServer,
  journal: Journal,
  calls: { sku: string; intent?: string }[],
  options = {},
) {
  const page = openPage(server, { journal, ...lost, ...options });
  for (const { sku, ...context } of calls) {
    server.fail(faults.cutAfter);
    await outcomeOf(() => page.trpc.orders.create.mutate({ sku }, { context }));
  }
  page.kill();
}

describe('resume', () => {
  it('settles by its status what was kept without input, and sends nothing again', async () => {
    await using server = await startServer();
    const journal = memoryJournal();
    await leave(server, journal, [{ sku: 'tea' }, { sku: 'coffee', intent: 'pay[]' }]);
    const { semel, trpc } = openPage(server, { journal });
    expect(await semel.pending()).toMatchObject([
      { path: 'orders.create', state: 'unknown', attempts: 1, live: false },
      { path: 'orders.create', state: 'unknown', intent: 'pay[]' },
    ]);
    const results = await resume(semel, trpc);
    expect(results.map(({ outcome }) => outcome.status)).toEqual(['completed', 'completed']);
    expect(results[0]?.status).toMatchObject({ state: 'completed' });
    expect(server.executions).toHaveLength(2);
    expect(server.requests.filter(({ url }) => url.startsWith('/orders.create'))).toHaveLength(2);
    expect(await semel.pending()).toEqual([]);
    expect(await semel.intent('pay').records()).toMatchObject([{ state: 'completed' }]);
  });

  it('sends again what was kept with its input, in order, under its key and with its age', async () => {
    await using server = await startServer();
    const journal = memoryJournal();
    const persistInput = (path: string) => path === 'orders.create';
    await leave(server, journal, [{ sku: 'a' }, { sku: 'b', intent: 'pay[]' }, { sku: 'c' }], {
      persistInput,
    });
    const before = server.keysSent();
    const { semel, trpc, events } = openPage(server, { journal, persistInput });
    const results = await resume(semel, trpc);
    expect(results.map(({ outcome }) => outcome)).toMatchObject([
      { status: 'completed', replayed: true, data: { id: 'order-1', sku: 'a' } },
      { status: 'completed', replayed: true, data: { id: 'order-2', sku: 'b' } },
      { status: 'completed', replayed: true, data: { id: 'order-3', sku: 'c' } },
    ]);
    expect(server.keysSent().slice(3)).toEqual(before.map((key) => `${String(key)};age=1`));
    expect(events.filter(({ type }) => type === 'attempt')).toHaveLength(3);
    expect(server.executions).toHaveLength(3);
    expect(await semel.pending()).toEqual([]);
  });

  it('tells what became of each, and what is wrong, where the journal can’t strike out', async () => {
    await using server = await startServer();
    const kept = memoryJournal();
    await leave(server, kept, [{ sku: 'a' }, { sku: 'b', intent: 'pay[]' }]);
    const broken = () => {
      throw new Error('read-only');
    };
    const { semel, trpc, types } = openPage(server, { journal: { ...kept, settle: broken, update: broken } });
    const results = await resume(semel, trpc);
    expect(results.map(({ outcome }) => outcome.status)).toEqual(['completed', 'completed']);
    expect(types()).toEqual(['journal_error', 'journal_error']);
  });

  it('works on as many at a time as it may', async () => {
    await using server = await startServer();
    const journal = memoryJournal();
    const skus = ['a', 'b', 'c', 'd'].map((sku) => ({ sku }));
    await leave(server, journal, skus);
    const { semel } = openPage(server, { journal });
    const running = { now: 0, most: 0, keys: [] as string[] };
    await resume(semel, undefined, {
      concurrency: 2,
      async send({ key }) {
        running.keys.push(key);
        running.most = Math.max(running.most, ++running.now);
        await new Promise((resolve) => setTimeout(resolve, 2));
        running.now -= 1;
      },
    });
    expect(running.most).toBe(2);
    expect(running.keys).toEqual(journal.list().map(({ key }) => key));
  });

  it('never sends an input that its storage has changed', async () => {
    await using server = await startServer();
    const journal = memoryJournal();
    const persistInput = () => true;
    const page = openPage(server, { journal, persistInput, ...lost });
    server.fail(faults.cutBefore);
    await outcomeOf(() => page.trpc.orders.create.mutate({ sku: 'a', at: new Date(0) }));
    const [record] = journal.list();
    if (record) journal.update({ ...record, input: JSON.parse(JSON.stringify(record.input)) });
    const { semel, trpc } = openPage(server, { journal, persistInput });
    const [result] = await resume(semel, trpc);
    expect(result).toMatchObject({ outcome: { status: 'unknown' }, status: { state: 'not_found' } });
    expect(server.requests.filter(({ url }) => url.startsWith('/orders.create'))).toHaveLength(1);
    expect(await semel.pending()).toHaveLength(1);
  });

  it('asks past the retention, never sends, and reports as unknown what the server doesn’t know either', async () => {
    await using server = await startServer();
    const journal = memoryJournal();
    const persistInput = () => true;
    await leave(server, journal, [{ sku: 'known' }], { persistInput });
    const page = openPage(server, { journal, persistInput, ...lost });
    server.fail(faults.cutBefore);
    await outcomeOf(() => page.trpc.orders.create.mutate({ sku: 'forgotten' }));
    const clock = {
      now: () => Date.now() + 86_400_001,
      monotonic: () => performance.now(),
      setTimeout: (run: () => void, ms: number) => setTimeout(run, ms),
      clearTimeout: (handle: unknown) => clearTimeout(handle as number),
    };
    const { semel, trpc } = openPage(server, { journal, persistInput, clock });
    const sent = server.requests.length;
    expect(await resume(semel, trpc)).toMatchObject([
      { outcome: { status: 'completed' } },
      { outcome: { status: 'unknown', reason: 'key_expired' } },
    ]);
    expect(server.requests.slice(sent).every(({ url }) => url.includes('idempotency.status'))).toBe(true);
    const [left] = await semel.pending();
    if (left) await semel.forget(left);
    expect(await semel.pending()).toEqual([]);
  });

  it('waits for the network without a timer of its own, then goes on', async () => {
    await using server = await startServer();
    const journal = memoryJournal();
    await leave(server, journal, [{ sku: 'a' }]);
    let online = false;
    const asked: (() => void)[] = [];
    const connectivity = {
      online: () => online,
      onceOnline(run: () => void) {
        asked.push(run);
        return () => {};
      },
    };
    const { semel, trpc } = openPage(server, { journal, connectivity });
    const sent = server.requests.length;
    const results = resume(semel, trpc);
    await until(() => asked.length);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(server.requests).toHaveLength(sent);
    expect(asked).toHaveLength(1);
    online = true;
    for (const run of asked) run();
    expect((await results)[0]?.outcome.status).toBe('completed');
  });

  it('leaves alone what this page is at, another user’s, and another deployment’s', async () => {
    await using server = await startServer();
    const journal = memoryJournal();
    await leave(server, journal, [{ sku: 'a' }], { scope: 'bob' });
    await leave(server, journal, [{ sku: 'a' }], { deployment: 'staging' });
    const release = server.hold();
    const { semel, trpc } = openPage(server, { journal });
    const sent = server.requests.length;
    const under = trpc.orders.create.mutate(order);
    await until(() => server.requests.length > sent);
    expect(await semel.pending()).toMatchObject([{ live: true, state: 'sending' }]);
    expect(await resume(semel, trpc)).toEqual([]);
    release();
    await under;
  });

  it('ends when its signal aborts', async () => {
    await using server = await startServer();
    const journal = memoryJournal();
    await leave(server, journal, [{ sku: 'a' }, { sku: 'b' }]);
    const { semel, trpc } = openPage(server, { journal });
    expect(await resume(semel, trpc, { signal: AbortSignal.abort() })).toEqual([]);
    expect(await semel.pending()).toHaveLength(2);
  });

  it('reports what the server can’t be asked about, and keeps it', async () => {
    await using server = await startServer();
    const journal = memoryJournal();
    await leave(server, journal, [{ sku: 'a' }]);
    const { semel } = openPage(server, { journal });
    const status = () =>
      Promise.reject(Object.assign(new Error('no'), { shape: { data: { httpStatus: 404 } } }));
    expect(await resume(semel, undefined, { status })).toMatchObject([
      { outcome: { status: 'unknown', reason: 'network' }, status: undefined },
    ]);
    expect(await semel.pending()).toHaveLength(1);
  });
});

describe('a mutation that a page brings back (context: resume)', () => {
  it('takes the key that an earlier page left open for the same input', async () => {
    await using server = await startServer();
    const journal = memoryJournal();
    await leave(server, journal, [{ sku: 'a' }, { sku: 'b' }]);
    const keys = journal.list().map(({ key }) => key);
    const { trpc } = openPage(server, { journal });
    const bring = (sku: string) =>
      outcomeOf(() => trpc.orders.create.mutate({ sku }, { context: { resume: true } }));
    const [b, a, fresh] = await Promise.all([bring('b'), bring('a'), bring('c')]);
    expect([a.key, b.key]).toEqual(keys);
    expect(keys).not.toContain(fresh.key);
    expect(server.executions).toHaveLength(3);
  });

  it('gives two equal mutations the two keys that were left, one each', async () => {
    await using server = await startServer();
    const journal = memoryJournal();
    await leave(server, journal, [{ sku: 'a' }, { sku: 'a' }]);
    const { trpc } = openPage(server, { journal });
    const bring = () =>
      outcomeOf(() => trpc.orders.create.mutate({ sku: 'a' }, { context: { resume: true } }));
    const outcomes = await Promise.all([bring(), bring()]);
    expect(new Set(outcomes.map(({ key }) => key)).size).toBe(2);
    expect(server.executions).toHaveLength(2);
  });
});

describe('purge', () => {
  it('strikes out all of one user and nothing of another', async () => {
    await using server = await startServer();
    const journal = memoryJournal();
    await leave(server, journal, [{ sku: 'a' }], { scope: 'bob' });
    await leave(server, journal, [{ sku: 'a' }, { sku: 'b', intent: 'x' }]);
    const { semel } = openPage(server, { journal });
    await semel.purge();
    expect(await semel.pending()).toEqual([]);
    expect(journal.list().map(({ scope }) => scope)).toEqual(['bob']);
  });

  it('isn’t undone by a call that is under way', async () => {
    await using server = await startServer();
    const release = server.hold();
    const { semel, trpc } = openPage(server);
    const under = trpc.orders.create.mutate(order, { context: { intent: 'pay' } });
    await until(() => server.executions.length);
    await semel.purge();
    release();
    await under;
    expect(await semel.journal.list()).toEqual([]);
  });
});
