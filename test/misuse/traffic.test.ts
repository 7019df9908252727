import { createMemoryStore, createSemel, type MisuseOptions, type SemelEvent } from '@semel/server';
import { httpIdempotency } from '@semel/server/http';
import fc from 'fast-check';
import { expect, test } from 'vitest';

type Misuse = Extract<SemelEvent, { type: 'misuse' }>;

/** A shop whose clock goes on when it's told to, and whose answers are made up by the test. */
function startShop(misuse: MisuseOptions = {}) {
  const signals: Misuse[] = [];
  let now = 0;
  const semel = createSemel({
    store: createMemoryStore(),
    recovery: false,
    onEvent: (event) => event.type === 'misuse' && signals.push(event),
    misuse: { ...misuse, clock: { monotonic: () => now, wall: () => Date.UTC(2026, 0, 5) + now } },
  });
  const idempotent = httpIdempotency({ semel, scope: (request) => request.headers.get('x-user') ?? '' });
  let status = 200;
  const order = idempotent({ name: 'orders.create', mode: 'leased' }, () => new Response(null, { status }));
  return {
    signals,
    goTo: (ms: number) => {
      now = Math.max(now, ms);
    },
    async send(user: string, key: string, body: string, answer: number, client = 'shop/1') {
      status = answer;
      const headers = { 'x-user': user, 'Idempotency-Key': key, 'user-agent': client };
      await order(new Request('http://shop/orders', { method: 'POST', headers, body }));
    },
  };
}

const intent = fc.record({
  user: fc.constantFrom('ada', 'bob', 'eve'),
  quantity: fc.integer({ min: 1, max: 3 }),
  /** What each attempt gets, and how long the client waits after it: full jitter, one key. */
  attempts: fc.array(
    fc.record({
      answer: fc.constantFrom(200, 402, 503),
      jitter: fc.double({ min: 0.05, max: 1, noNaN: true }),
    }),
    { minLength: 1, maxLength: 5 },
  ),
});

test('honest clients are never told of: one key an intent, backoff, the same order again after a while', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(intent, { maxLength: 30 }), async (intents) => {
      const { send, goTo, signals } = startShop();
      let start = 0;
      for (const { user, quantity, attempts } of intents) {
        const key = crypto.randomUUID();
        // The intent ends with an answer: who gives up in the dark and orders anew is what is to be found.
        const answers = [...attempts.slice(0, -1), { answer: 200, jitter: 1 }];
        let at = start;
        for (const [failures, { answer, jitter }] of answers.entries()) {
          goTo(at);
          await send(user, key, JSON.stringify({ quantity }), answer);
          at += 250 * 2 ** failures * jitter + 50;
        }
        start = Math.max(at, start) + 20_000;
      }
      expect(signals).toEqual([]);
    }),
    { numRuns: 100 },
  );
});

test('a client that renews its key is told of by its fourth attempt, whatever the answers and the other traffic', async () => {
  const attempts = fc.array(
    fc.record({ answer: fc.constantFrom(200, 503), waitMs: fc.integer({ min: 0, max: 15_000 }) }),
    { minLength: 4, maxLength: 4 },
  );
  await fc.assert(
    fc.asyncProperty(attempts, fc.nat(5), async (renewing, others) => {
      const { send, goTo, signals } = startShop();
      let at = 0;
      for (const { answer, waitMs } of renewing) {
        goTo(at);
        await send('ada', crypto.randomUUID(), '{"quantity":1}', answer);
        for (let other = 0; other < others; other++) {
          await send(`user-${other}`, crypto.randomUUID(), `{"quantity":${at}}`, 200);
        }
        at += waitMs;
      }
      expect(signals.map(({ signal, scope }) => [signal, scope])).toEqual([['renewed_key', 'ada']]);
    }),
    { numRuns: 200 },
  );
});

test('whatever a client calls itself, an event has up to 64 harmless characters of it', async () => {
  const names = fc.string({
    unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)),
  });
  await fc.assert(
    fc.asyncProperty(names, async (client) => {
      const { send, signals } = startShop();
      for (let i = 0; i < 4; i++) await send('ada', crypto.randomUUID(), '{}', 200, client);
      expect(signals).toHaveLength(1);
      expect(signals[0]?.clientVersion ?? '(none)').toMatch(/^(?:[\w.+/-]{1,64}|\(none\))$/);
    }),
    { numRuns: 300 },
  );
});

test('with room for four payloads only, honest traffic still is honest', async () => {
  const { send, goTo, signals } = startShop({ entries: 4 });
  for (let i = 0; i < 500; i++) {
    goTo(i * 300);
    await send(`user-${i % 50}`, crypto.randomUUID(), `{"quantity":${i % 7}}`, i % 3 === 0 ? 503 : 200);
  }
  expect(signals).toEqual([]);
});
