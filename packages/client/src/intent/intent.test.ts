// One user action, one key: over a real server, with reloads simulated by a second client over the same journal.
import { describe, expect, it } from 'vitest';
import { IntentConflictError, type Journal, memoryJournal, outcomeOf, SemelClientError } from '../index.ts';
import { openPage, until } from '../test-rig/page.ts';
import { faults, startServer } from '../test-rig/server.ts';

const order = { sku: 'tea' };
const keysOf = (journal: Journal) => Promise.resolve(journal.list()).then((all) => all.map(({ key }) => key));

describe('an intent', () => {
  it('is one action for a double click: one request, one answer for both', async () => {
    await using server = await startServer();
    const { semel, trpc, types, events } = openPage(server);
    const pay = semel.intent('checkout', ['cart-7']);
    const click = () => trpc.orders.create.mutate({ ...order }, { context: { intent: pay } });
    const [first, second] = await Promise.all([click(), click()]);
    expect(first).toEqual({ id: 'order-1', sku: 'tea' });
    expect(second).toEqual(first);
    expect(server.requests).toHaveLength(1);
    expect(types()).toContain('joined');
    expect(new Set(events.flatMap((event) => ('key' in event ? [event.key] : []))).size).toBe(1);
  });

  it('sends the same key again after it has completed, and gets the replay', async () => {
    await using server = await startServer();
    const { semel, trpc } = openPage(server);
    const click = () =>
      outcomeOf(() =>
        trpc.orders.create.mutate({ ...order }, { context: { intent: semel.intent('pay', [7]) } }),
      );
    const first = await click();
    const second = await click();
    expect(first).toMatchObject({ status: 'completed', replayed: false, data: { id: 'order-1' } });
    expect(second).toMatchObject({
      status: 'completed',
      replayed: true,
      data: { id: 'order-1' },
      key: first.key,
    });
    expect(server.executions).toHaveLength(1);
    expect(server.keysSent()[1]).toBe(`"${first.key}";age=1`);
  });

  it('stays in the journal when it has completed, with key and fingerprint and without its input', async () => {
    await using server = await startServer();
    const journal = memoryJournal();
    const { semel, trpc } = openPage(server, { journal, persistInput: () => true });
    const pay = semel.intent('pay', [7]);
    await trpc.orders.create.mutate(order, { context: { intent: pay } });
    expect(await pay.records()).toEqual([
      {
        path: 'orders.create',
        key: expect.stringMatching(/^[\w-]{24}$/),
        intent: 'pay[7]',
        scope: 'alice',
        deployment: undefined,
        fingerprint: expect.stringMatching(/^[a-z0-9]{8,14}$/),
        state: 'completed',
        attempts: 1,
        createdAt: expect.any(Number),
        expiresAt: expect.any(Number),
      },
    ]);
    expect(await semel.pending()).toEqual([]);
  });

  it('is a new action after next(), and with other parts', async () => {
    await using server = await startServer();
    const { semel, trpc } = openPage(server);
    const click = (intent = semel.intent('pay', [7])) =>
      trpc.orders.create.mutate(order, { context: { intent } });
    await click();
    await semel.intent('pay', [7]).next();
    await click();
    await click(semel.intent('pay', [8]));
    await click();
    expect(server.executions).toHaveLength(3);
  });

  it('is a new action after it was rejected', async () => {
    await using server = await startServer();
    const { semel, trpc } = openPage(server);
    const intent = semel.intent('charge');
    const click = () => outcomeOf(() => trpc.cards.charge.mutate(order, { context: { intent } }));
    const first = await click();
    expect(first).toMatchObject({ status: 'rejected', error: { message: 'card_declined' } });
    expect(await intent.records()).toEqual([]);
    const second = await click();
    expect(second.key).not.toBe(first.key);
    expect(server.executions).toHaveLength(2);
  });

  it('keeps its key when the server refuses the key itself', async () => {
    await using server = await startServer();
    const { semel, trpc } = openPage(server);
    const intent = semel.intent('trouble');
    const click = () =>
      outcomeOf(() =>
        trpc.trouble.mutate({ code: 'key_reused', trpc: 'UNPROCESSABLE_CONTENT' }, { context: { intent } }),
      );
    const first = await click();
    expect(first).toMatchObject({ status: 'rejected', problem: { code: 'key_reused' } });
    expect((await click()).key).toBe(first.key);
  });

  it('refuses a changed payload while it isn’t settled, says what to do, and sends nothing', async () => {
    await using server = await startServer();
    const { semel, trpc } = openPage(server, { retry: { maxAttempts: 1 } });
    const intent = semel.intent('pay');
    const click = (sku: string) =>
      outcomeOf(() => trpc.orders.create.mutate({ sku }, { context: { intent } }));
    server.fail(faults.cutAfter);
    const first = await click('tea');
    expect(first).toMatchObject({ status: 'unknown' });
    const changed = await click('coffee');
    if (changed.status !== 'rejected') throw new Error(`it is ${changed.status}`);
    const conflict = IntentConflictError.from(changed.error);
    expect(conflict).toMatchObject({
      intent: 'pay[]',
      code: 'intent_conflict',
      record: { state: 'unknown' },
    });
    expect(conflict?.message).toContain('next()');
    expect(server.requests).toHaveLength(1);
    await expect(intent.next()).rejects.toThrow(IntentConflictError);
    // What the message says: settle it with its own input, then go on.
    expect(await click('tea')).toMatchObject({ status: 'completed', replayed: true, key: first.key });
    await intent.next();
    expect(await click('coffee')).toMatchObject({ status: 'completed', data: { sku: 'coffee' } });
    expect(server.executions).toHaveLength(2);
  });

  it('refuses a changed payload while this page is at it', async () => {
    await using server = await startServer();
    const release = server.hold();
    const { semel, trpc } = openPage(server);
    const intent = semel.intent('pay');
    const first = trpc.orders.create.mutate({ sku: 'tea' }, { context: { intent } });
    const changed = await outcomeOf(() =>
      trpc.orders.create.mutate({ sku: 'coffee' }, { context: { intent } }),
    );
    expect(changed).toMatchObject({ status: 'rejected', error: { cause: { code: 'intent_conflict' } } });
    release();
    expect(await first).toMatchObject({ sku: 'tea' });
  });

  it('gives an unsettled action up only when forced to', async () => {
    await using server = await startServer();
    const { semel, trpc } = openPage(server, { retry: { maxAttempts: 1 } });
    const intent = semel.intent('pay');
    const click = () => outcomeOf(() => trpc.orders.create.mutate(order, { context: { intent } }));
    server.fail(faults.cutBefore);
    const lost = await click();
    await intent.next({ force: true });
    expect((await click()).key).not.toBe(lost.key);
  });

  it('goes on for the second call when the first is aborted by its caller', async () => {
    await using server = await startServer();
    const release = server.hold();
    const { semel, trpc } = openPage(server);
    const context = { intent: semel.intent('pay') };
    const user = new AbortController();
    const first = outcomeOf(() => trpc.orders.create.mutate(order, { context, signal: user.signal }));
    const second = outcomeOf(() => trpc.orders.create.mutate(order, { context }));
    await until(() => server.executions.length);
    user.abort();
    expect(await first).toMatchObject({ status: 'unknown', reason: 'aborted' });
    release();
    expect(await second).toMatchObject({ status: 'completed', data: { id: 'order-1' } });
    expect(server.executions).toHaveLength(1);
  });

  it('lets the second call be aborted without the first', async () => {
    await using server = await startServer();
    const release = server.hold();
    const { semel, trpc } = openPage(server);
    const context = { intent: semel.intent('pay') };
    const user = new AbortController();
    const first = trpc.orders.create.mutate(order, { context });
    const second = outcomeOf(() => trpc.orders.create.mutate(order, { context, signal: user.signal }));
    user.abort();
    expect(await second).toMatchObject({ status: 'unknown', reason: 'aborted' });
    release();
    expect(await first).toMatchObject({ id: 'order-1' });
  });

  it('is one action on each procedure that is called with it', async () => {
    await using server = await startServer();
    const { semel, trpc } = openPage(server);
    const context = { intent: semel.intent('pay') };
    await trpc.orders.create.mutate(order, { context });
    await trpc.flaky.mutate({ failures: 0 }, { context });
    const keys = server.executions.map(({ key }) => key);
    expect(new Set(keys).size).toBe(2);
    expect((await semel.intent('pay').records()).map(({ path }) => path)).toEqual(['orders.create', 'flaky']);
  });

  it('gives way to an explicit key, and goes before the same input', async () => {
    await using server = await startServer();
    const { semel, trpc } = openPage(server);
    const intent = semel.intent('pay');
    const key = async (context: Record<string, unknown>) =>
      (await outcomeOf(() => trpc.orders.create.mutate(order, { context }))).key;
    expect(await key({ intent, idempotencyKey: 'mine' })).toBe('mine');
    const ofIntent = await key({ intent });
    expect(await key({})).not.toBe(ofIntent);
    expect(await key({ intent })).toBe(ofIntent);
    expect(await key({ intent: 'pay[]' })).toBe(ofIntent);
  });

  it('keeps what is done of it while something else of it is open', async () => {
    await using server = await startServer();
    const { semel, trpc } = openPage(server, { retry: { maxAttempts: 1 } });
    const intent = semel.intent('pay');
    await trpc.orders.create.mutate(order, { context: { intent } });
    server.fail(faults.cutBefore);
    await outcomeOf(() => trpc.flaky.mutate({ failures: 0 }, { context: { intent } }));
    await expect(intent.next()).rejects.toMatchObject({ record: { path: 'flaky', state: 'unknown' } });
    expect(await intent.records()).toHaveLength(2);
  });

  it('is refused a part that isn’t there yet: two carts would be one', () => {
    const { semel } = openPage({ url: 'http://127.0.0.1:1' } as never);
    for (const part of [undefined, null, Number.NaN]) {
      expect(() => semel.intent('checkout', [part as never])).toThrow('a part is missing');
    }
  });

  it('costs no request and no record until it is run', async () => {
    const { semel } = openPage({ url: 'http://127.0.0.1:1' } as never);
    expect(await semel.intent('checkout', ['a']).records()).toEqual([]);
    expect(semel.intent('checkout', ['a']).id).toBe('checkout["a"]');
    expect(semel.intent('checkout', ['1']).id).not.toBe(semel.intent('checkout', [1]).id);
  });
});

describe('after the key’s retention', () => {
  const later = (ms: number) => ({
    now: () => Date.now() + ms,
    monotonic: () => performance.now(),
    setTimeout: (run: () => void, wait: number) => setTimeout(run, wait),
    clearTimeout: (handle: unknown) => clearTimeout(handle as number),
  });

  it('an intent that is done is a new action', async () => {
    await using server = await startServer();
    const journal = memoryJournal();
    const click = ({ trpc }: ReturnType<typeof openPage>) =>
      outcomeOf(() => trpc.orders.create.mutate(order, { context: { intent: 'pay' } }));
    const first = await click(openPage(server, { journal }));
    const nextDay = await click(openPage(server, { journal, clock: later(86_400_001) }));
    expect(nextDay).toMatchObject({ status: 'completed', replayed: false });
    expect(nextDay.key).not.toBe(first.key);
    expect(await keysOf(journal)).toEqual([nextDay.key]);
  });

  it('an intent that is done is struck out when somebody looks', async () => {
    await using server = await startServer();
    const journal = memoryJournal();
    const { trpc } = openPage(server, { journal });
    await trpc.orders.create.mutate(order, { context: { intent: 'pay[]' } });
    const nextDay = openPage(server, { journal, clock: later(86_400_001) });
    expect(await nextDay.semel.intent('pay').records()).toEqual([]);
    expect(journal.list()).toEqual([]);
  });

  it('one whose outcome isn’t known is reported as unknown, and never sent', async () => {
    await using server = await startServer();
    const journal = memoryJournal();
    const click = ({ trpc }: ReturnType<typeof openPage>) =>
      outcomeOf(() => trpc.orders.create.mutate(order, { context: { intent: 'pay' } }));
    server.fail(faults.cutAfter);
    const first = await click(openPage(server, { journal, retry: { maxAttempts: 1 } }));
    expect(first.status).toBe('unknown');
    const nextDay = await click(openPage(server, { journal, clock: later(86_400_001) }));
    expect(nextDay).toMatchObject({ status: 'unknown', reason: 'key_expired', key: first.key });
    expect(server.requests).toHaveLength(1);
  });
});

describe('after a reload at the kill point', () => {
  const kills = [
    'before claim',
    'after claim',
    'after send',
    'after the response, before the record’s update',
  ];
  it.each(kills)('%s, the intent is done once, and its page learns how', async (point) => {
    await using server = await startServer();
    const memory = memoryJournal();
    const dead = new Promise<never>(() => {});
    let page: ReturnType<typeof openPage> | undefined;
    let killed = false;
    const kill = () => {
      killed = true;
      page?.kill();
      return dead;
    };
    const journal: Journal = {
      ...memory,
      claim(record) {
        if (point === 'before claim') return kill();
        const found = memory.claim(record);
        return point === 'after claim' ? kill() : found;
      },
      update(record) {
        if (killed) return dead;
        if (point.startsWith('after the response') && record.state === 'completed') return kill();
        memory.update(record);
        if (point === 'after send') void until(() => server.executions.length).then(kill);
      },
    };
    const release = point === 'after send' ? server.hold() : () => {};
    page = openPage(server, { journal });
    const run = ({ semel, trpc }: ReturnType<typeof openPage>) =>
      outcomeOf(() => trpc.orders.create.mutate(order, { context: { intent: semel.intent('pay', [7]) } }));
    void run(page);
    await until(() => killed);
    const reloaded = openPage(server, { journal: memory });
    const outcome = run(reloaded);
    await until(() => server.executions.length);
    release();
    expect(await outcome).toMatchObject({ status: 'completed', data: { id: 'order-1' } });
    expect(server.executions).toHaveLength(1);
    expect(await reloaded.semel.pending()).toEqual([]);
  });

  it('two users and two deployments over one journal never share an action', async () => {
    await using server = await startServer();
    const journal = memoryJournal();
    const run = (options: object) => {
      const { semel, trpc } = openPage(server, { journal, ...options });
      return trpc.orders.create.mutate(order, { context: { intent: semel.intent('pay') } });
    };
    await run({ scope: 'alice' });
    await run({ scope: () => 'bob' });
    await run({ scope: 'alice', deployment: 'staging' });
    await run({ scope: 'alice' });
    expect(server.executions).toHaveLength(3);
  });
});

it('throws what it knows where nobody asks for an outcome', async () => {
  await using server = await startServer();
  const { semel, trpc } = openPage(server, { retry: { maxAttempts: 1 } });
  server.fail(faults.cutAfter);
  const thrown = await trpc.orders.create
    .mutate(order, { context: { intent: semel.intent('pay') } })
    .catch((error: unknown) => error);
  expect(SemelClientError.from(thrown)?.outcome.status).toBe('unknown');
});
