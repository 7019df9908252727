// Tabs of one browser, with Node's own Web Locks and BroadcastChannel; each tab is a client with its own tabs.
import { IDBFactory } from 'fake-indexeddb';
import { afterEach, describe, expect, it } from 'vitest';
import { outcomeOf, type Tabs } from '../index.ts';
import { indexedDbJournal } from '../indexeddb.ts';
import { nameOf } from '../journal/journal.ts';
import { browserTabs } from '../tabs.ts';
import { openPage, until } from '../test-rig/page.ts';
import { faults, startServer, type TestServer } from '../test-rig/server.ts';

const order = { sku: 'tea' };
const opened: Tabs[] = [];
afterEach(() => {
  for (const tabs of opened.splice(0)) tabs.close();
});

/** A browser: its tabs share a database, locks and a channel. */
function browser(server: TestServer, options: { locks?: undefined } = {}) {
  const indexedDB = new IDBFactory();
  const name = `semel-${crypto.randomUUID()}`;
  return (more: Parameters<typeof openPage>[1] = {}) => {
    const tabs = browserTabs({ name, ...options });
    opened.push(tabs);
    const page = openPage(server, { journal: indexedDbJournal({ indexedDB }), tabs, ...more });
    const pay = (sku = order.sku) =>
      outcomeOf(() =>
        page.trpc.orders.create.mutate({ sku }, { context: { intent: page.semel.intent('pay', [7]) } }),
      );
    return {
      ...page,
      tabs,
      pay,
      /** The tab dies: its requests are cut, its locks are free. */
      crash() {
        page.kill();
        tabs.close();
      },
    };
  };
}

describe.each([
  ['with Web Locks', {}],
  ['without Web Locks', { locks: undefined }],
])('two tabs %s', (_, options) => {
  it('that run one intent make one stream of requests, and get the same answer', async () => {
    await using server = await startServer();
    const release = server.hold();
    const open = browser(server, options);
    const [one, two] = [open(), open()];
    const first = one.pay();
    await until(() => server.executions.length);
    const second = two.pay();
    await until(() => two.types().includes('joined'));
    expect(server.requests).toHaveLength(1);
    release();
    expect(await first).toMatchObject({ status: 'completed', replayed: false, data: { id: 'order-1' } });
    expect(await second).toMatchObject({ status: 'completed', replayed: true, data: { id: 'order-1' } });
    expect(server.requests).toHaveLength(2);
    expect(server.executions).toHaveLength(1);
    expect([...one.types(), ...two.types()]).not.toContain('wait');
  });

  it('that run one intent ask about accepted work once: the second sleeps until the first has its outcome', async () => {
    await using server = await startServer();
    const open = browser(server, options);
    const [one, two] = [open(), open()];
    const payout = ({ trpc, semel }: typeof one) =>
      outcomeOf(() => trpc.payouts.create.mutate(order, { context: { intent: semel.intent('payout') } }));
    const first = payout(one);
    await until(() => one.types().includes('accepted'));
    await until(async () => (await one.semel.pending())[0]?.state === 'accepted');
    const second = payout(two);
    await until(() => two.types().includes('joined') || two.types().includes('attempt'));
    expect(two.types()).toEqual(['joined']);
    server.finishPayouts();
    expect(await first).toMatchObject({ status: 'completed', data: { id: 'payout-1' } });
    expect(await second).toMatchObject({ status: 'completed', data: { id: 'payout-1' } });
    expect(two.types()).not.toContain('accepted');
    expect(server.executions).toHaveLength(1);
  });

  it('that don’t wait for accepted work don’t wait for each other: who hands it out isn’t at it any more', async () => {
    await using server = await startServer();
    const open = browser(server, options);
    const more = { accepted: { wait: false } };
    const [one, two] = [open(more), open(more)];
    const payout = ({ trpc, semel }: typeof one) =>
      outcomeOf(() => trpc.payouts.create.mutate(order, { context: { intent: semel.intent('payout') } }));
    expect(await payout(one)).toMatchObject({ status: 'accepted' });
    await expect.poll(() => one.semel.pending()).toMatchObject([{ state: 'accepted', owner: undefined }]);
    expect(await payout(two)).toMatchObject({ status: 'accepted' });
    expect(two.types()).not.toContain('joined');
    expect(server.executions).toHaveLength(1);
  });

  it('that click in the same instant send one key', async () => {
    await using server = await startServer();
    const open = browser(server, options);
    const outcomes = await Promise.all([open(), open(), open()].map(({ pay }) => pay()));
    expect(new Set(outcomes.map(({ key }) => key)).size).toBe(1);
    expect(outcomes.map(({ status }) => status)).toEqual(['completed', 'completed', 'completed']);
    expect(server.executions).toHaveLength(1);
    expect(server.requests).toHaveLength(3);
  });

  it('learn of a refusal alike, and the next click is a new action', async () => {
    await using server = await startServer();
    const open = browser(server, options);
    const tabs = [open(), open()];
    const charge = () =>
      Promise.all(
        tabs.map(({ trpc, semel }) =>
          outcomeOf(() => trpc.cards.charge.mutate(order, { context: { intent: semel.intent('charge') } })),
        ),
      );
    const outcomes = await charge();
    expect(outcomes).toMatchObject([
      { status: 'rejected', error: { message: 'card_declined' } },
      { status: 'rejected', error: { message: 'card_declined' } },
    ]);
    expect(server.executions).toHaveLength(1);
    await charge();
    expect(server.executions).toHaveLength(2);
  });

  it('refuse a changed payload in the other tab', async () => {
    await using server = await startServer();
    const release = server.hold();
    const open = browser(server, options);
    const first = open().pay('tea');
    await until(() => server.executions.length);
    expect(await open().pay('coffee')).toMatchObject({ error: { cause: { code: 'intent_conflict' } } });
    release();
    expect((await first).status).toBe('completed');
  });

  it('let the one that waits be aborted, and leave the other its record', async () => {
    await using server = await startServer();
    const release = server.hold();
    const open = browser(server, options);
    const [one, two] = [open(), open()];
    const first = one.pay();
    await until(() => server.executions.length);
    const user = new AbortController();
    const context = { intent: two.semel.intent('pay', [7]) };
    const second = outcomeOf(() => two.trpc.orders.create.mutate(order, { context, signal: user.signal }));
    await until(() => two.types().includes('joined'));
    user.abort();
    expect(await second).toMatchObject({ status: 'unknown', reason: 'aborted' });
    expect(await two.semel.pending()).toMatchObject([{ state: 'sending', owner: one.tabs.id }]);
    release();
    expect((await first).status).toBe('completed');
  });

  it('take over when the owner dies: the same key, one effect', async () => {
    await using server = await startServer();
    const open = browser(server, options);
    server.fail(faults.silence);
    const [one, two, three] = [open({ retry: { attemptTimeoutMs: 300 } }), open(), open()];
    void one.pay();
    await until(() => server.requests.length);
    const others = [two.pay(), three.pay()];
    await until(() => two.types().includes('joined') && three.types().includes('joined'));
    one.crash();
    expect(await Promise.all(others)).toMatchObject([{ status: 'completed' }, { status: 'completed' }]);
    const takeovers = [...two.types(), ...three.types()].filter((type) => type === 'takeover');
    expect(takeovers.length).toBeGreaterThan(0);
    expect(new Set(server.keysSent().map((key) => String(key).split(';')[0])).size).toBe(1);
    // Without locks both may take over, and the server sorts them out.
    if (!('locks' in options)) {
      expect(takeovers).toHaveLength(1);
      expect(server.requests).toHaveLength(3);
    }
    expect(server.executions).toHaveLength(1);
  });
});

it('a tab that opened later finds an action that died with its tab, and takes it over', async () => {
  await using server = await startServer();
  const open = browser(server);
  const one = open();
  server.fail(faults.silence);
  void one.pay();
  await until(() => server.requests.length);
  one.crash();
  const two = open();
  expect(await two.pay()).toMatchObject({ status: 'completed' });
  expect(two.types()).toContain('takeover');
  expect(server.executions).toHaveLength(1);
});

it('a tab that comes back from the page cache holds its lock again', async () => {
  const name = `semel-${crypto.randomUUID()}`;
  const target = new EventTarget();
  const { addEventListener, removeEventListener } = globalThis;
  globalThis.addEventListener = target.addEventListener.bind(target) as never;
  try {
    const tabs = browserTabs({ name });
    opened.push(tabs);
    await tabs.ready;
    const held = async () =>
      ((await navigator.locks.query()).held ?? []).filter((lock) => lock.name?.startsWith(name));
    expect(await held()).toHaveLength(1);
    // What a browser that lets locks go does to a page it puts aside.
    void navigator.locks.request(`${name}:tab:${tabs.id}`, { steal: true }, () => {});
    await until(async () => (await held()).length === 0);
    target.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }));
    await until(async () => (await held()).length === 1);
  } finally {
    Object.assign(globalThis, { addEventListener, removeEventListener });
  }
});

it('a batch of fresh actions stays one request with tabs and a database', async () => {
  await using server = await startServer();
  const { trpc } = browser(server)();
  await Promise.all(Array.from({ length: 10 }, (_, i) => trpc.orders.create.mutate({ sku: `${i}` })));
  expect(server.requests).toHaveLength(1);
  expect(server.executions).toHaveLength(10);
});

it.each([
  ['with Web Locks', {}],
  ['without them', { locks: undefined }],
])(
  'a signal ends the wait for a turn while the journal hangs, %s',
  { timeout: 2_000 },
  async (_, options) => {
    const tabs = browserTabs({ name: `semel-${crypto.randomUUID()}`, ...options });
    opened.push(tabs);
    const record = {
      path: 'orders.create',
      key: 'k',
      createdAt: 1,
      attempts: 1,
      state: 'sending',
      owner: 'other',
    } as const;
    const user = new AbortController();
    let isAsked = () => {};
    const asked = new Promise<void>((resolve) => {
      isAsked = resolve;
    });
    const list = () => {
      isAsked();
      return new Promise<never>(() => {});
    };
    const turn = tabs.turn(
      record,
      { list },
      () => {},
      user.signal,
      () => {},
    );
    await asked;
    user.abort();
    expect(await turn).toBe(false);
  },
);

it('who waits for an intent under its new key is not woken by a tab that has finished with the old one', async () => {
  const name = `semel-${crypto.randomUUID()}`;
  const [waiting, other] = [browserTabs({ name, locks: undefined }), browserTabs({ name, locks: undefined })];
  opened.push(waiting, other);
  const record = {
    path: 'orders.create',
    intent: 'checkout',
    key: 'new',
    createdAt: 1,
    attempts: 1,
    state: 'sending',
    owner: other.id,
    leaseUntil: Date.now() + 60_000,
  } as const;
  let isOver = false;
  const turn = waiting
    .turn(
      record,
      { list: async () => [record] },
      () => {},
      new AbortController().signal,
      () => {},
    )
    .finally(() => {
      isOver = true;
    });
  // What a channel carries arrives in order.
  const heard = new BroadcastChannel(`${name}:finished`);
  const arrived = new Promise((resolve) => {
    heard.onmessage = resolve;
  });
  other.tell(nameOf(record), 'old');
  await arrived;
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(isOver).toBe(false);
  other.tell(nameOf(record), 'new');
  expect(await turn).toBe(false);
  heard.close();
});

it('calls go on after the tabs were closed', async () => {
  await using server = await startServer();
  const { tabs, pay } = browser(server)();
  tabs.close();
  expect((await pay()).status).toBe('completed');
});

it('every page has an id of its own, which no storage carries along', () => {
  const ids = Array.from({ length: 100 }, () => {
    const tabs = browserTabs();
    tabs.close();
    return tabs.id;
  });
  expect(new Set(ids).size).toBe(100);
});
