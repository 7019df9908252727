// The pitfalls of clients in browsers, by number; 7 (kill points) and 8 (tabs) have files of their own.
import { createTcpProxy } from '@semel/testing/faults';
import type { Browser } from 'playwright-core';
import { beforeAll, expect, test } from 'vitest';
import { cutNextAnswer, loseNextAnswer } from '../client/network.ts';
import { describeInChromium, launchChromium } from './chromium.ts';
import type {} from './lab/page.ts';
import { type LabServer, startLabServer } from './lab/server.ts';
import { controlNetwork } from './network.ts';
import { labScript, newPlainProfile, newProfile, type Shop, startShop } from './stage.ts';

const HTML_502 = { status: 502, headers: { 'content-type': 'text/html' }, body: '<h1>Bad Gateway</h1>' };
const JSON_429 = {
  status: 429,
  headers: { 'content-type': 'application/json', 'retry-after': '0' },
  body: '{"message":"slow down"}',
};
const BUSY = { status: 503, headers: { 'retry-after': '0' }, body: 'busy' };

describeInChromium('in Chromium', () => {
  let browser: Browser;
  let shop: Shop;
  let own: LabServer;
  beforeAll(async () => {
    shop = await startShop();
    own = await startLabServer(await labScript());
    browser = await launchChromium();
    return () => own.close();
  });

  test('1: ten keyed mutations of one tick are one request, with the journal in IndexedDB', async () => {
    const { lab, network } = await newProfile(browser, shop.url);
    const page = await lab();
    const ids = await page.evaluate(async () => {
      const { trpc } = window.lab.open({ link: 'batch' });
      const orders = Array.from({ length: 10 }, (_, i) =>
        trpc.orders.create.mutate({ sku: `batch-${i}`, quantity: 1 }),
      );
      return (await Promise.all(orders)).map(({ id }) => id);
    });
    expect(new Set(ids).size).toBe(10);
    expect(network.sent).toHaveLength(1);
    expect(network.sent[0]?.keys?.split(', ')).toHaveLength(10);
    for (let i = 0; i < 10; i++) expect(await shop.orders(`batch-${i}`)).toBe(1);
  });

  test('1: a list of keys that does not fit the calls is refused, and nothing is done', async () => {
    const { lab } = await newProfile(browser, shop.url);
    const page = await lab();
    const status = await page.evaluate(async () => {
      const response = await fetch('/trpc/orders.create,orders.create?batch=1', {
        method: 'POST',
        headers: {
          authorization: 'Bearer sk_demo_acme',
          'content-type': 'application/json',
          'idempotency-keys': '"only-one"',
        },
        body: JSON.stringify({
          0: { json: { sku: 'misfit', quantity: 1 } },
          1: { json: { sku: 'misfit', quantity: 2 } },
        }),
      });
      return response.status;
    });
    expect(status).toBe(400);
    expect(await shop.orders('misfit')).toBe(0);
  });

  test('1: of a batch only the call that is in flight elsewhere is sent again', async () => {
    const { lab, network } = await newProfile(browser, shop.url);
    const page = await lab();
    const [first, [order, again]] = await page.evaluate(async () => {
      const { trpc } = window.lab.open({ link: 'batch' });
      const payment = {
        amount: 100,
        currency: 'EUR',
        customer: 'cus_slow',
        reference: 'in-a-batch',
      } as const;
      const pay = () =>
        trpc.payments.create.mutate({ ...payment }, { context: { idempotencyKey: 'in-a-batch' } });
      const first = pay();
      await new Promise((resolve) => setTimeout(resolve, 100)); // a batch of its own
      const both = Promise.all([trpc.orders.create.mutate({ sku: 'beside', quantity: 1 }), pay()]);
      return [await first, await both] as const;
    });
    expect(again.id).toBe(first.id);
    expect(order.sku).toBe('beside');
    expect(network.sent[1]?.keys?.split(', ')).toHaveLength(2);
    expect(network.sent.length).toBeGreaterThan(2);
    for (const { url, key } of network.sent.slice(2)) {
      expect([url, key]).toEqual(['/trpc/payments.create', 'in-a-batch']);
    }
    expect(await shop.orders('beside')).toBe(1);
    expect(await shop.charges('in-a-batch')).toBe(1);
  });

  test('2: every attempt has the same key, and all but the first their age; also after a reload', async () => {
    const { lab, network } = await newProfile(browser, shop.url);
    const page = await lab();
    network.next(BUSY, 'cut', 'lose', 'lose');
    await page.evaluate(async () => {
      const { semel, trpc } = window.lab.open({ retry: { maxAttempts: 4 } });
      const context = { intent: semel.intent('same', ['key']) };
      return window.lab.outcomeOf(() =>
        trpc.orders.create.mutate({ sku: 'same-key', quantity: 1 }, { context }),
      );
    });
    await page.reload();
    const resumed = await page.evaluate(async () => {
      const { semel, trpc } = window.lab.open();
      return (await window.lab.resume(semel, trpc)).map(({ outcome }) => outcome.status);
    });
    expect(resumed).toEqual(['completed']);
    expect(network.sent).toHaveLength(5);
    expect(new Set(network.sent.map(({ key }) => key)).size).toBe(1);
    expect(network.sent.map(({ ageSeconds }) => ageSeconds !== undefined && ageSeconds > 0)).toEqual([
      false,
      true,
      true,
      true,
      true,
    ]);
    expect(await shop.orders('same-key')).toBe(1);
  });

  test('3: Chromium itself sends a POST twice when a warm connection breaks; it is done once', async () => {
    const proxy = await createTcpProxy({
      target: { host: '127.0.0.1', port: Number(new URL(own.url).port) },
    });
    try {
      const { lab } = await newPlainProfile(browser, `http://127.0.0.1:${proxy.port}`);
      const page = await lab();
      const posts: string[] = [];
      let broken = false;
      proxy.setFaults({
        onData(direction, chunk) {
          const text = chunk.toString('latin1');
          if (direction === 'toServer' && text.startsWith('POST')) posts.push(text);
          if (direction === 'toServer' || posts.length === 0 || broken) return 'pass';
          broken = true;
          return 'reset'; // the server has answered, and not a byte of it arrives
        },
      });
      const done = await page.evaluate(async () => {
        const { shop, types } = window.lab.open({ tabs: false });
        const { run } = await shop.order.mutate({ sku: 'resent' });
        return { run, types: types() };
      });
      expect(posts).toHaveLength(2);
      expect(done.types).toEqual(['attempt', 'settled']); // the library knows of one
      expect(
        own.executions.filter(({ input }) => (input as { sku?: string })?.sku === 'resent'),
      ).toHaveLength(1);
    } finally {
      await proxy.close();
    }
  });

  test.each(['http', 'batch', 'stream'] as const)(
    "4: answers that are not the server's are tried again under the same key, over the %s link",
    async (link) => {
      const { lab, network } = await newProfile(browser, shop.url);
      const page = await lab();
      network.next(HTML_502, { status: 500 }, JSON_429, BUSY);
      const outcome = await page.evaluate(async (link) => {
        const { trpc, events } = window.lab.open({ link, retry: { maxAttempts: 6 } });
        const outcome = await window.lab.outcomeOf(() =>
          trpc.orders.create.mutate({ sku: `foreign-${link}`, quantity: 1 }),
        );
        return { status: outcome.status, reasons: events.map((event) => 'reason' in event && event.reason) };
      }, link);
      expect(outcome.status).toBe('completed');
      expect(outcome.reasons.filter(Boolean)).toEqual(['server', 'server', 'server', 'server']);
      expect(network.sent).toHaveLength(5);
      expect(new Set(network.sent.map(({ key }) => key)).size).toBe(1);
      expect(await shop.orders(`foreign-${link}`)).toBe(1);
    },
  );

  test('4: an answer that is cut off in the middle is no answer', async () => {
    const proxy = await createTcpProxy({
      target: { host: '127.0.0.1', port: Number(new URL(own.url).port) },
    });
    try {
      const { lab } = await newPlainProfile(browser, `http://127.0.0.1:${proxy.port}`);
      const page = await lab();
      cutNextAnswer(proxy, -10);
      const status = await page.evaluate(async () => {
        const { shop } = window.lab.open({ tabs: false });
        return (await window.lab.outcomeOf(() => shop.order.mutate({ sku: 'cut' }))).status;
      });
      expect(status).toBe('completed');
      expect(own.executions.filter(({ input }) => (input as { sku?: string })?.sku === 'cut')).toHaveLength(
        1,
      );
    } finally {
      await proxy.close();
    }
  });

  test('4: a socket that dies with the answer on it is opened again, and the answer replayed', async () => {
    const proxy = await createTcpProxy({
      target: { host: '127.0.0.1', port: Number(new URL(own.url).port) },
    });
    try {
      const { lab } = await newPlainProfile(browser, `http://127.0.0.1:${proxy.port}`);
      const page = await lab();
      await page.evaluate(async () => {
        const { shop } = window.lab.open({ link: 'ws', tabs: false });
        await shop.order.mutate({ sku: 'socket-warm' });
        window.kept = { shop };
      });
      const lost = loseNextAnswer(proxy);
      const outcome = page.evaluate(async () =>
        window.lab.outcomeOf(() => window.kept.shop.order.mutate({ sku: 'socket' })),
      );
      (await lost).reset();
      proxy.setFaults({});
      expect((await outcome).status).toBe('completed');
      expect(
        own.executions.filter(({ input }) => (input as { sku?: string })?.sku === 'socket'),
      ).toHaveLength(1);
    } finally {
      await proxy.close();
    }
  });

  test('5: aborted before it is sent, it is never sent and nothing stays written down', async () => {
    const { lab, network } = await newProfile(browser, shop.url);
    const page = await lab();
    const result = await page.evaluate(async () => {
      const { semel, trpc } = window.lab.open();
      const outcome = await window.lab.outcomeOf(() =>
        trpc.orders.create.mutate({ sku: 'aborted', quantity: 1 }, { signal: AbortSignal.abort() }),
      );
      return { status: outcome.status, pending: (await semel.pending()).length };
    });
    expect(result).toEqual({ status: 'rejected', pending: 0 });
    expect(network.sent).toHaveLength(0);
    expect(await shop.orders('aborted')).toBe(0);
  });

  test('5: aborted on its way, it ends at once as unknown, stays written down, and the next click finds its answer', async () => {
    const { lab, network } = await newProfile(browser, shop.url);
    const page = await lab();
    const arrived = Promise.withResolvers<void>();
    network.next({ answerAfter: arrived.promise });
    await page.evaluate(() => {
      const { semel, trpc } = window.lab.open();
      const intent = semel.intent('abort', ['midway']);
      const end = new AbortController();
      const order = (signal?: AbortSignal) =>
        window.lab.outcomeOf(() =>
          trpc.orders.create.mutate(
            { sku: 'midway', quantity: 1 },
            { context: { intent }, ...(signal && { signal }) },
          ),
        );
      window.kept = { semel, order, end, first: order(end.signal) };
    });
    await network.sentBy(1);
    const given = await page.evaluate(async () => {
      window.kept.end.abort();
      const { status, reason } = await window.kept.first; // while the answer is still held back
      return { status, reason, pending: (await window.kept.semel.pending()).length };
    });
    expect(given).toEqual({ status: 'unknown', reason: 'aborted', pending: 1 });
    arrived.resolve();
    const again = await page.evaluate(async () => (await window.kept.order()).status);
    expect(again).toBe('completed');
    expect(network.sent[1]?.key).toBe(network.sent[0]?.key);
    expect(await shop.orders('midway')).toBe(1);
  });

  test('5: aborted between two attempts, it ends at once and no further one leaves', async () => {
    const { lab, network } = await newProfile(browser, shop.url);
    const page = await lab();
    network.next({ ...BUSY, headers: { 'retry-after': '20' } });
    const status = await page.evaluate(async () => {
      const { semel, trpc } = window.lab.open();
      const end = new AbortController();
      semel.on('retry', () => queueMicrotask(() => end.abort()));
      const outcome = await window.lab.outcomeOf(() =>
        trpc.orders.create.mutate({ sku: 'backoff', quantity: 1 }, { signal: end.signal }),
      );
      return outcome.status;
    });
    expect(status).toBe('unknown');
    expect(network.sent).toHaveLength(1);
  });

  test('5: one call of a batch is aborted at once, and the others go on', async () => {
    const { lab, network } = await newProfile(browser, shop.url);
    const page = await lab();
    const answered = Promise.withResolvers<void>();
    network.next({ answerAfter: answered.promise });
    await page.evaluate(() => {
      const { semel, trpc } = window.lab.open({ link: 'batch' });
      const end = new AbortController();
      const one = window.lab.outcomeOf(() =>
        trpc.orders.create.mutate({ sku: 'one-of-two', quantity: 1 }, { signal: end.signal }),
      );
      const other = window.lab.outcomeOf(() =>
        trpc.orders.create.mutate({ sku: 'other-of-two', quantity: 1 }),
      );
      window.kept = { semel, end, one, other };
    });
    await network.sentBy(1);
    const one = await page.evaluate(async () => {
      window.kept.end.abort();
      return (await window.kept.one).status; // while the batch is still held back
    });
    expect(one).toBe('unknown');
    answered.resolve();
    const rest = await page.evaluate(async () => ({
      other: (await window.kept.other).status,
      pending: (await window.kept.semel.pending()).map(
        (record: { input: { sku: string } }) => record.input.sku,
      ),
    }));
    expect(rest).toEqual({ other: 'completed', pending: ['one-of-two'] });
    expect(network.sent).toHaveLength(1);
  });

  test('6: after a timeout the next attempt gets the answer, and the late one of the first changes nothing', async () => {
    const { lab, network } = await newProfile(browser, shop.url);
    const page = await lab();
    const late = Promise.withResolvers<void>();
    network.next({ answerAfter: late.promise });
    const result = await page.evaluate(async () => {
      const { semel, trpc, types } = window.lab.open({ retry: { attemptTimeoutMs: 300 } });
      const context = { intent: semel.intent('late') };
      const outcome = await window.lab.outcomeOf(() =>
        trpc.orders.create.mutate({ sku: 'late', quantity: 1 }, { context }),
      );
      window.kept = { types };
      return { status: outcome.status, replayed: outcome.status === 'completed' && outcome.replayed };
    });
    expect(result).toEqual({ status: 'completed', replayed: true });
    late.resolve();
    const types = await page.evaluate(async () => {
      await fetch('/healthz'); // behind the late answer
      return window.kept.types();
    });
    expect(types).toEqual(['attempt', 'retry', 'attempt', 'settled']);
    expect(await shop.orders('late')).toBe(1);
  });

  test('9: with local storage full the payment goes through, and an event says that it is not written down', async () => {
    const { lab } = await newProfile(browser, shop.url);
    const page = await lab();
    const result = await page.evaluate(async () => {
      for (let size = 2 ** 22; size > 0; size = Math.floor(size / 2)) {
        try {
          for (;;) localStorage.setItem(`fill-${size}-${localStorage.length}`, 'x'.repeat(size));
        } catch {
          // Full for pieces of this size.
        }
      }
      const { semel, trpc, types } = window.lab.open({ journal: 'web-storage' });
      const context = { intent: semel.intent('full') };
      const order = () =>
        window.lab.outcomeOf(() => trpc.orders.create.mutate({ sku: 'full', quantity: 1 }, { context }));
      const [first, second] = await Promise.all([order(), order()]);
      return { statuses: [first.status, second.status], types: types() };
    });
    expect(result.statuses).toEqual(['completed', 'completed']);
    expect(result.types).toContain('journal_error');
    expect(await shop.orders('full')).toBe(1);
  });

  test('9: with a database that can not be opened the payment goes through; with durability required it is not sent', async () => {
    const { lab, network } = await newProfile(browser, shop.url);
    const page = await lab();
    const result = await page.evaluate(async () => {
      await new Promise((resolve) => {
        indexedDB.open('semel', 99).onsuccess = resolve; // of a later version: ours is refused
      });
      const { trpc, types } = window.lab.open();
      const done = await window.lab.outcomeOf(() =>
        trpc.orders.create.mutate({ sku: 'refused', quantity: 1 }),
      );
      const required = window.lab.open({ durability: 'required' });
      const not = await window.lab.outcomeOf(() =>
        required.trpc.orders.create.mutate({ sku: 'not-sent', quantity: 1 }),
      );
      return {
        done: done.status,
        types: types(),
        not: not.status,
        why: not.status === 'rejected' && String((not.error as Error).message),
      };
    });
    expect(result.done).toBe('completed');
    expect(result.types).toContain('journal_error');
    expect([result.not, result.why]).toEqual(['rejected', expect.stringContaining('journal_unavailable')]);
    expect(network.sent).toHaveLength(1);
    expect(await shop.orders('not-sent')).toBe(0);
  });

  test('9: a database that is deleted under a payment does not hold it up, and a second click is the same action', async () => {
    const { lab, network } = await newProfile(browser, shop.url);
    const page = await lab();
    const answered = Promise.withResolvers<void>();
    network.next({ answerAfter: answered.promise });
    await page.evaluate(() => {
      const { semel, trpc } = window.lab.open();
      const context = { intent: semel.intent('deleted') };
      const order = () =>
        window.lab.outcomeOf(() => trpc.orders.create.mutate({ sku: 'deleted', quantity: 1 }, { context }));
      window.kept = { order, first: order() };
    });
    await network.sentBy(1);
    const second = page.evaluate(async () => {
      await new Promise((resolve, reject) => {
        const request = indexedDB.deleteDatabase('semel');
        request.onsuccess = resolve;
        request.onblocked = () => reject(new Error('blocked'));
      });
      const second = window.kept.order();
      return [(await window.kept.first).status, (await second).status];
    });
    answered.resolve();
    expect(await second).toEqual(['completed', 'completed']);
    expect(await shop.orders('deleted')).toBe(1);
  });

  test('9: storage that is cleared under an open payment does not give the next click a new key', async () => {
    const { context, lab, network } = await newProfile(browser, shop.url);
    const page = await lab();
    network.next('lose');
    await page.evaluate(async () => {
      const { semel, trpc } = window.lab.open({ retry: { maxAttempts: 1 } });
      const context = { intent: semel.intent('cleared') };
      const order = () =>
        window.lab.outcomeOf(() => trpc.orders.create.mutate({ sku: 'cleared', quantity: 1 }, { context }));
      window.kept = { order };
      await order();
    });
    const devtools = await context.newCDPSession(page);
    await devtools.send('Storage.clearDataForOrigin', { origin: shop.url, storageTypes: 'all' });
    expect(await page.evaluate(async () => (await window.kept.order()).status)).toBe('completed');
    expect(network.sent[1]?.key).toBe(network.sent[0]?.key);
    expect(await shop.orders('cleared')).toBe(1);
  });

  test('10: on plain http, without Web Locks, a double click and two tabs are one payment', async () => {
    const insecure = await launchChromium({ args: ['--host-resolver-rules=MAP shop.test 127.0.0.1'] });
    const { context, lab } = await newPlainProfile(insecure, own.url.replace('127.0.0.1', 'shop.test'));
    const network = await controlNetwork(context);
    const [one, two] = [await lab(), await lab()];
    expect(
      await one.evaluate(() => [
        isSecureContext,
        'locks' in navigator,
        'randomUUID' in crypto,
        typeof crypto.subtle,
      ]),
    ).toEqual([false, false, false, 'undefined']);
    const arrived = Promise.withResolvers<void>();
    network.next({ leaveAfter: arrived.promise });
    const pay = async () => {
      const { semel, shop } = window.lab.open();
      const context = { intent: semel.intent('insecure') };
      const order = () => window.lab.outcomeOf(() => shop.order.mutate({ sku: 'insecure' }, { context }));
      return (await Promise.all([order(), order()])).map(({ status }) => status);
    };
    const first = one.evaluate(pay);
    await network.sentBy(1);
    const second = two.evaluate(pay);
    arrived.resolve();
    expect(await first).toEqual(['completed', 'completed']);
    expect(await second).toEqual(['completed', 'completed']);
    expect(new Set(network.sent.map(({ key }) => key)).size).toBe(1);
    expect(
      own.executions.filter(({ input }) => (input as { sku?: string })?.sku === 'insecure'),
    ).toHaveLength(1);
  });

  test('11: past the retention nothing is sent blindly: the status is asked', async () => {
    const { lab, network } = await newProfile(browser, shop.url);
    const page = await lab();
    network.next('lose', 'cut');
    await page.evaluate(async () => {
      const { semel, trpc } = window.lab.open({ retry: { maxAttempts: 1 } });
      for (const sku of ['day-old', 'day-old-never-left']) {
        const context = { intent: semel.intent('old', [sku]) };
        await window.lab.outcomeOf(() => trpc.orders.create.mutate({ sku, quantity: 1 }, { context }));
      }
    });
    await page.clock.setSystemTime(Date.now() + 25 * 3_600_000);
    await page.reload();
    const resumed = await page.evaluate(async () => {
      const { semel, trpc } = window.lab.open({ retry: { deadlineMs: 500 } });
      return (await window.lab.resume(semel, trpc)).map(({ outcome }) => [
        outcome.status,
        'reason' in outcome && outcome.reason,
      ]);
    });
    expect(resumed).toEqual([
      ['completed', false],
      ['unknown', 'key_expired'],
    ]);
    expect(network.sent).toHaveLength(2);
    expect(await shop.orders('day-old')).toBe(1);
    expect(await shop.orders('day-old-never-left')).toBe(0);
  });

  test.each([
    ['-5', 'completed'],
    ['soon', 'completed'],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 'completed'],
    ['999999999', 'unknown'],
  ])('11: Retry-After: %s ends as %s', async (retryAfter, status) => {
    const { lab, network } = await newProfile(browser, shop.url);
    const page = await lab();
    network.next({ ...BUSY, headers: { 'retry-after': retryAfter } });
    const outcome = await page.evaluate(async () => {
      const { trpc } = window.lab.open();
      return (
        await window.lab.outcomeOf(() => trpc.orders.create.mutate({ sku: 'retry-after', quantity: 1 }))
      ).status;
    });
    expect(outcome).toBe(status);
  });

  test('11: a clock that is set back between click and retry changes neither key nor outcome', async () => {
    const { lab, network } = await newProfile(browser, shop.url);
    const page = await lab();
    network.next('lose');
    const status = await page.evaluate(async () => {
      const real = Date.now;
      const { semel, trpc } = window.lab.open();
      semel.on('retry', () => {
        Date.now = () => real() - 10 * 3_600_000;
      });
      return (await window.lab.outcomeOf(() => trpc.orders.create.mutate({ sku: 'set-back', quantity: 1 })))
        .status;
    });
    expect(status).toBe('completed');
    expect(network.sent.map(({ ageSeconds }) => ageSeconds ?? 0)).toEqual([0, 1]);
    expect(await shop.orders('set-back')).toBe(1);
  });

  test('12: a body that is too large for keepalive is sent all the same, as nothing relies on keepalive', async () => {
    const { lab } = await newPlainProfile(browser, own.url);
    const page = await lab();
    const result = await page.evaluate(async () => {
      const sku = 'x'.repeat(70_000);
      const keepalive = await fetch('/trpc/order', { method: 'POST', body: sku, keepalive: true }).catch(
        ({ name }) => name as string,
      );
      const { shop } = window.lab.open();
      return [keepalive, (await window.lab.outcomeOf(() => shop.order.mutate({ sku }))).status];
    });
    expect(result).toEqual(['TypeError', 'completed']);
    expect(
      own.executions.filter(({ input }) => (input as { sku?: string })?.sku?.startsWith('xxx')),
    ).toHaveLength(1);
  });

  test('12: of a reload in the middle the server has the request and the page nothing; resumed, it is done once', async () => {
    const { lab, network } = await newProfile(browser, shop.url);
    const page = await lab();
    network.next({ answerAfter: new Promise((resolve) => setTimeout(resolve, 300)) });
    await page.evaluate(() => {
      const { semel, trpc } = window.lab.open();
      const context = { intent: semel.intent('reloaded') };
      void window.lab.outcomeOf(() =>
        trpc.orders.create.mutate({ sku: 'reloaded', quantity: 1 }, { context }),
      );
    });
    await network.sentBy(1);
    await page.reload();
    const resumed = await page.evaluate(async () => {
      const { semel, trpc } = window.lab.open();
      return (await window.lab.resume(semel, trpc)).map(({ outcome }) => outcome.status);
    });
    expect(resumed).toEqual(['completed']);
    expect(await shop.orders('reloaded')).toBe(1);
  });

  test('13: a changed payload under an open intent is refused, and nothing is sent', async () => {
    const { lab, network } = await newProfile(browser, shop.url);
    const page = await lab();
    network.next('lose');
    const result = await page.evaluate(async () => {
      const { semel, trpc } = window.lab.open({ retry: { maxAttempts: 1 } });
      const context = { intent: semel.intent('edited') };
      const order = (quantity: number) =>
        window.lab.outcomeOf(() => trpc.orders.create.mutate({ sku: 'edited', quantity }, { context }));
      const [first, changed] = [await order(1), await order(2)];
      const next = await context.intent.next().catch((error: Error) => error.name);
      const again = await order(1);
      await context.intent.next();
      const anew = await order(2);
      return [
        first.status,
        changed.status === 'rejected' && String(changed.error),
        next,
        again.status,
        anew.status,
      ];
    });
    expect(result).toEqual([
      'unknown',
      expect.stringContaining('intent_conflict'),
      'IntentConflictError',
      'completed',
      'completed',
    ]);
    expect(network.sent).toHaveLength(3);
    expect(await shop.orders('edited')).toBe(2); // two actions, each once
  });

  test("13: nobody resumes another user's or another deployment's actions, and a logout takes them along", async () => {
    const { lab, network } = await newProfile(browser, shop.url);
    const page = await lab();
    network.next('lose');
    await page.evaluate(async () => {
      const { semel, trpc } = window.lab.open({ scope: 'alice', retry: { maxAttempts: 1 } });
      const context = { intent: semel.intent('alices') };
      await window.lab.outcomeOf(() =>
        trpc.orders.create.mutate({ sku: 'alices', quantity: 1 }, { context }),
      );
    });
    await page.reload();
    const seen = await page.evaluate(async () => {
      const alice = window.lab.open({ scope: 'alice' });
      const elsewhere = window.lab.open({ scope: 'alice', deployment: 'staging' });
      const bob = window.lab.open({ scope: 'bob' });
      const seen = [
        (await window.lab.resume(bob.semel, bob.trpc)).length,
        (await window.lab.resume(elsewhere.semel, elsewhere.trpc)).length,
        (await alice.semel.pending()).length,
      ];
      await bob.semel.purge();
      seen.push((await alice.semel.pending()).length);
      await alice.semel.purge();
      return [...seen, (await alice.semel.pending()).length];
    });
    expect(seen).toEqual([0, 0, 1, 1, 0]);
    expect(network.sent).toHaveLength(1);
    expect(await shop.orders('alices')).toBe(1);
  });

  test('14: a form with a file is retried under its key, is not written down, and is settled by its status after a reload', async () => {
    const { lab, network } = await newProfile(browser, own.url);
    const page = await lab();
    network.next('lose', 'pass', 'lose');
    const upload = (maxAttempts: number) =>
      page.evaluate(async (maxAttempts) => {
        const { semel, shop } = window.lab.open({ retry: { maxAttempts } });
        const form = new FormData();
        form.set('name', `form-${maxAttempts}`);
        form.set('file', new File([`attempts ${maxAttempts}`], `form-${maxAttempts}.txt`));
        const context = { intent: semel.intent('upload', [maxAttempts]) };
        const outcome = await window.lab.outcomeOf(() => shop.upload.mutate(form, { context }));
        return [outcome.status, (await semel.pending()).map(({ input }) => typeof input)];
      }, maxAttempts);
    expect(await upload(2)).toEqual(['completed', []]);
    expect(await upload(1)).toEqual(['unknown', ['undefined']]);
    await page.reload();
    const resumed = await page.evaluate(async () => {
      const { semel, shop } = window.lab.open();
      return (await window.lab.resume(semel, shop)).map(({ outcome }) => outcome.status);
    });
    expect(resumed).toEqual(['completed']);
    expect(network.sent).toHaveLength(3);
    expect(own.executions.filter(({ path }) => path === 'upload')).toHaveLength(2); // two forms, each once
  });

  test.each(['http', 'batch', 'stream'] as const)(
    '15: a replay keeps dates, maps, sets, big integers and undefined, over the %s link',
    async (link) => {
      const { lab, network } = await newProfile(browser, own.url);
      const page = await lab();
      network.next('lose');
      const seen = await page.evaluate(async (link) => {
        const { shop } = window.lab.open({ link });
        const at = new Date('2026-11-22T12:00:00Z');
        const { big, ...data } = await shop.rich.mutate({ at });
        return {
          date: data.at instanceof Date && data.at.getTime() === at.getTime(),
          map: data.map instanceof Map && data.map.get('tea')?.pots === 2,
          set: data.set instanceof Set && data.set.has('b'),
          big: typeof big === 'bigint' && big === 2n ** 70n,
          nothing: 'nothing' in data && data.nothing === undefined,
          empty: (await shop.nothing.mutate()) === undefined,
        };
      }, link);
      expect(seen).toEqual({ date: true, map: true, set: true, big: true, nothing: true, empty: true });
    },
  );

  test('16: when everything fails, the budget ends the storm', async () => {
    const { lab, network } = await newProfile(browser, shop.url);
    const page = await lab();
    network.next(...Array.from({ length: 100 }, () => BUSY));
    const statuses = await page.evaluate(async () => {
      const { trpc } = window.lab.open({
        retry: { maxAttempts: 10, budget: { max: 3, refillPerSuccess: 0.1 } },
      });
      const orders = Array.from({ length: 10 }, (_, i) =>
        window.lab.outcomeOf(() => trpc.orders.create.mutate({ sku: `storm-${i}`, quantity: 1 })),
      );
      return (await Promise.all(orders)).map(({ status }) => status);
    });
    expect(new Set(statuses)).toEqual(new Set(['unknown']));
    expect(network.sent).toHaveLength(13);
  });

  test('16: waiting for an attempt in flight is not charged to the budget', async () => {
    const { lab } = await newProfile(browser, shop.url);
    const page = await lab();
    const statuses = await page.evaluate(async () => {
      const { trpc } = window.lab.open({
        retry: { maxAttempts: 1, budget: { max: 0, refillPerSuccess: 0 } },
      });
      const payment = { amount: 100, currency: 'EUR', customer: 'cus_slow', reference: 'polled' } as const;
      const pay = () =>
        window.lab.outcomeOf(() =>
          trpc.payments.create.mutate({ ...payment }, { context: { idempotencyKey: 'polled' } }),
        );
      return (await Promise.all([pay(), pay()])).map(({ status }) => status);
    });
    expect(statuses).toEqual(['completed', 'completed']);
    expect(await shop.charges('polled')).toBe(1);
  });

  test('17: a page from the back/forward cache goes on, and other tabs see that it lives', async () => {
    const cached = await launchChromium({ ignoreDefaultArgs: ['--disable-back-forward-cache'] });
    const { lab, network } = await newProfile(cached, shop.url);
    const page = await lab();
    await page.evaluate(() => {
      addEventListener('pageshow', ({ persisted }) => {
        document.documentElement.dataset.persisted = String(persisted);
      });
      window.kept = window.lab.open();
    });
    await page.goto(`${shop.url}/healthz`);
    void page.evaluate(() => history.back()).catch(() => {}); // goBack() waits for a load that doesn't come
    await expect.poll(() => page.url()).toMatch(/lab$/);
    await expect.poll(() => page.evaluate(() => document.documentElement.dataset.persisted)).toBe('true');
    const arrived = Promise.withResolvers<void>();
    network.next({ answerAfter: arrived.promise });
    const pay = () => {
      window.kept ??= window.lab.open();
      const { semel, trpc } = window.kept as ReturnType<typeof window.lab.open>;
      const context = { intent: semel.intent('back') };
      return window.lab.outcomeOf(() => trpc.orders.create.mutate({ sku: 'back', quantity: 1 }, { context }));
    };
    const first = page.evaluate(pay);
    await network.sentBy(1);
    const other = await lab();
    const second = other.evaluate(pay);
    await other.waitForFunction(() => window.kept?.types().includes('joined'));
    arrived.resolve();
    expect((await first).status).toBe('completed');
    expect((await second).status).toBe('completed');
    expect(await other.evaluate(() => window.kept.types())).not.toContain('takeover');
    expect(await shop.orders('back')).toBe(1);
  });

  test('18: a page of another origin sends its key and reads Retry-After and whether it is a replay', async () => {
    const far = await startShop({ corsOrigins: [own.url] });
    const { lab } = await newPlainProfile(browser, own.url);
    const page = await lab();
    const seen = await page.evaluate(async (url) => {
      const { semel, trpc } = window.lab.open({ url: `${url}/trpc` });
      const context = { intent: semel.intent('far') };
      const order = () =>
        window.lab.outcomeOf(() => trpc.orders.create.mutate({ sku: 'far', quantity: 1 }, { context }));
      const outcomes = [await order(), await order()];
      const refused = await fetch(`${url}/v1/orders`, {
        method: 'POST',
        headers: { authorization: 'Bearer sk_demo_acme', 'content-type': 'application/json' },
        body: '{}',
      });
      return {
        replayed: outcomes.map((outcome) => outcome.status === 'completed' && outcome.replayed),
        refused: refused.status,
      };
    }, far.url);
    expect(seen).toEqual({ replayed: [false, true], refused: 400 });
    expect(await far.orders('far')).toBe(1);
    const inFlight = await page.evaluate(async (url) => {
      const pay = () =>
        fetch(`${url}/v1/payments`, {
          method: 'POST',
          headers: {
            authorization: 'Bearer sk_demo_acme',
            'content-type': 'application/json',
            'idempotency-key': '"far-in-flight"',
          },
          body: JSON.stringify({ amount: 1, currency: 'EUR', customer: 'cus_slow', reference: 'far-slow' }),
        });
      const answers = await Promise.all([pay(), pay()]);
      const conflict = answers.find(({ status }) => status === 409);
      return { status: conflict?.status, retryAfter: conflict?.headers.get('retry-after') };
    }, far.url);
    expect(inFlight).toEqual({ status: 409, retryAfter: expect.stringMatching(/^\d+$/) });
    expect(await far.charges('far-slow')).toBe(1);
  });
});
