import { expect, test } from 'vitest';
import { policyFrom } from '../../admission/policy.ts';
import { createOutcomeCodec } from '../../engine/outcome.ts';
import type { RunRequest } from '../../engine/request.ts';
import { createSemel } from '../../semel.ts';
import { createMemoryStore } from '../../store/memory.ts';
import type { SemelEvent } from '../events.ts';
import type { MisuseOptions } from './options.ts';

type Misuse = Extract<SemelEvent, { type: 'misuse' }>;
const MORNING = Date.UTC(2026, 0, 5, 9);

class Declined extends Error {
  readonly status = 402;
}

/** A server with a clock that stands still until it's told to go on. */
function server(misuse: MisuseOptions | false = {}) {
  const signals: Misuse[] = [];
  let now = 1000;
  const clock = { monotonic: () => now, wall: () => MORNING + now };
  const semel = createSemel({
    store: createMemoryStore(),
    recovery: false,
    onEvent: (event) => event.type === 'misuse' && signals.push(event),
    misuse: misuse && { ...misuse, clock },
  });
  const call = (about: Partial<RunRequest>, handler = async (): Promise<unknown> => 'done') =>
    semel.engine
      .run(
        {
          scope: 'acme',
          procedure: 'payments.create',
          key: crypto.randomUUID(),
          ageMs: undefined,
          fingerprint: 'v1:coffee',
          policy: policyFrom({ mode: 'leased', inFlight: 'conflict' }),
          failures: {
            statusOf: (error) => (error as { status?: number }).status,
            describe: () => ({ httpStatus: 402, code: 'DECLINED', message: 'declined' }),
          },
          outcomes: createOutcomeCodec(),
          trace: { actor: 'request' },
          clientVersion: 'acme-sdk/1.2.3',
          ...about,
        },
        handler,
      )
      .catch((error: unknown) => ({ kind: 'thrown' as const, error }));
  return {
    call,
    signals,
    semel,
    pass(ms: number) {
      now += ms;
    },
    said: () => signals.map((s) => s.signal),
  };
}
const fails = async () => {
  throw new Error('the provider is down');
};
const declines = async () => {
  throw new Declined();
};

test('a retry loop with a new key each time is told at its third key when each call failed', async () => {
  const { call, signals, pass } = server();
  for (const _ of [1, 2, 3]) {
    await call({}, fails);
    pass(1000);
  }
  expect(signals).toEqual([
    {
      type: 'misuse',
      signal: 'renewed_key',
      scope: 'acme',
      procedure: 'payments.create',
      clientVersion: 'acme-sdk/1.2.3',
      count: 3,
      windowMs: 60_000,
      suppressed: 0,
    },
  ]);
});

test('a new key while the first call has not answered for two seconds is told at once: two charges', async () => {
  const { call, said, pass } = server();
  const gate = Promise.withResolvers<void>();
  const first = call({}, () => gate.promise);
  pass(5000);
  await call({});
  expect(said()).toEqual(['renewed_key']);
  gate.resolve();
  await first;
});

test('a new key after an answer that says that nobody knows is told at once', async () => {
  const { call, said, pass } = server();
  const gate = Promise.withResolvers<void>();
  const first = call({ key: 'order-0001-of-acme' }, () => gate.promise);
  expect(await call({ key: 'order-0001-of-acme' })).toMatchObject({ problem: { code: 'in_flight' } });
  pass(500);
  await call({ key: 'order-0001-of-acme-2' });
  expect(said()).toEqual(['renewed_key']);
  gate.resolve();
  await first;
});

test('answers that are lost on the way show only in the number of keys', async () => {
  const { call, said, pass } = server();
  for (const delay of [1000, 2000, 4000]) {
    await call({});
    pass(delay);
  }
  expect(said()).toEqual([]);
  await call({});
  expect(said()).toEqual(['renewed_key']);
});

test('a loop that goes on is one event in a window, and the next says how many were kept back', async () => {
  const { call, signals, pass } = server();
  for (let i = 0; i < 70; i++) {
    await call({}, fails);
    pass(1000);
  }
  expect(signals.map(({ count, suppressed }) => ({ count, suppressed }))).toEqual([
    { count: 3, suppressed: 0 },
    { count: 4, suppressed: 58 },
  ]);
});

test.each([
  ['a person who orders the same three times in a minute', [0, 20_000, 40_000], async () => 'done'],
  ['the same small order once a minute, all morning', Array(60).fill(60_000), async () => 'done'],
  ['another try after the card was declined', [0, 3000, 3000, 3000, 3000, 3000], declines],
  ['one more click after an error', [0, 4000], fails],
])('%s is no misuse', async (_who, gaps, handler) => {
  const { call, said, pass } = server();
  for (const gap of gaps) {
    pass(gap);
    await call({}, handler);
  }
  expect(said()).toEqual([]);
});

test('equal orders of different users are no misuse', async () => {
  const { call, said, pass } = server();
  for (let user = 0; user < 100; user++) {
    await call({ scope: `user-${user}` }, user % 2 === 0 ? fails : undefined);
    pass(10);
  }
  expect(said()).toEqual([]);
});

test('retries under the same key with backoff are no misuse, whatever they get', async () => {
  const { call, said, pass } = server();
  for (let intent = 0; intent < 20; intent++) {
    const key = crypto.randomUUID();
    for (const wait of [200, 400, 800, 1600]) {
      await call({ key, fingerprint: 'v1:coffee' }, fails);
      pass(wait);
    }
    await call({ key });
    await call({ key });
    pass(60_000);
  }
  expect(said()).toEqual([]);
});

test('twenty duplicates at the same moment are no misuse', async () => {
  const { call, said } = server();
  const key = crypto.randomUUID();
  await Promise.all(Array.from({ length: 20 }, () => call({ key })));
  expect(said()).toEqual([]);
});

test('procedures in which equal calls are meant can be left out', async () => {
  const { call, said } = server({ renewedKeys: { except: ['cart.add'] } });
  for (let i = 0; i < 50; i++) await call({ procedure: 'cart.add' });
  expect(said()).toEqual([]);
  for (let i = 0; i < 4; i++) await call({ procedure: 'payments.create' });
  expect(said()).toEqual(['renewed_key']);
});

test('a payload that changes on every retry is told at its third change', async () => {
  const { call, signals, pass } = server();
  const key = crypto.randomUUID();
  for (const at of [1, 2, 3]) {
    await call({ key, fingerprint: `v1:sent at ${at}` });
    pass(1000);
  }
  expect(signals).toEqual([]);
  await call({ key, fingerprint: 'v1:sent at 4' });
  expect(signals).toMatchObject([{ signal: 'changed_payload', count: 3 }]);
});

test('where the policy allows another payload, none is told', async () => {
  const { call, said, pass } = server();
  const key = crypto.randomUUID();
  const policy = policyFrom({ mode: 'leased', mismatch: 'replay' });
  for (let at = 0; at < 10; at++) {
    await call({ key, policy, fingerprint: `v1:sent at ${at}` });
    pass(100);
  }
  expect(said()).toEqual([]);
});

test('one key thirty times in a minute is a storm', async () => {
  const { call, signals, pass } = server();
  const key = crypto.randomUUID();
  for (let i = 0; i < 30; i++) {
    await call({ key });
    pass(100);
  }
  expect(signals).toMatchObject([{ signal: 'replay_storm', count: 30 }]);
});

test('a file that is sent anew is a storm of replays, each of which is only the second of its key', async () => {
  const { call, signals, pass } = server();
  const keys = Array.from({ length: 300 }, () => crypto.randomUUID());
  for (const _ of [1, 2]) {
    for (const key of keys) await call({ key, fingerprint: `v1:${key}` });
    pass(5000);
  }
  expect(signals).toMatchObject([{ signal: 'replay_storm', count: 300 }]);
});

test('retries right after the answer are told at the fifth, those before Retry-After too', async () => {
  const { call, signals, pass } = server();
  const key = crypto.randomUUID();
  for (let i = 0; i < 6; i++) {
    await call({ key }, fails);
    pass(10);
  }
  expect(signals).toMatchObject([{ signal: 'hasty_retry', count: 5 }]);

  const draining = server();
  await draining.semel.drain(0);
  for (let i = 0; i < 6; i++) {
    expect(await draining.call({ key })).toMatchObject({ problem: { retryAfterMs: 1000 } });
    draining.pass(300);
  }
  expect(draining.signals).toMatchObject([{ signal: 'hasty_retry', count: 5 }]);
});

test.each([
  ['short', (i: number) => `order-${i * 7}`],
  ['timestamp', (i: number) => `payment-${MORNING + i * 137}`],
  ['identity', (i: number) => `ada${i}@example.org`],
  ['few_characters', (i: number) => '-'.repeat(i) + '0'.repeat(20)],
  ['sequential', (i: number) => `acme-orders-${String(99_995 + i).padStart(8, '0')}`],
])('five keys in a minute that are %s are told', async (reason, keyOf) => {
  const { call, signals } = server();
  for (let i = 1; i <= 6; i++) await call({ key: keyOf(i), fingerprint: `v1:${i}` });
  expect(signals).toMatchObject([{ signal: 'weak_key', reason, count: 5 }]);
});

test('a weak key that is retried is one weak key', async () => {
  const { call, said, pass } = server();
  for (let i = 0; i < 10; i++) {
    await call({ key: 'k' });
    pass(2000);
  }
  expect(said()).toEqual([]);
});

test('what keys look like is not judged where no caller from outside made them', async () => {
  const { semel, signals } = server();
  for (let i = 0; i < 20; i++) {
    const message = {
      scope: 'billing',
      name: 'invoice.paid',
      key: `${i}`,
      input: { i },
      mode: 'leased',
    } as const;
    await semel.run(message, async () => 'done');
  }
  expect(signals).toEqual([]);
});

test('calls without a key, where it is optional, are not looked at', async () => {
  const { call, said } = server();
  const policy = policyFrom({ mode: 'leased', key: 'optional' });
  for (let i = 0; i < 20; i++) await call({ policy, key: `none:${crypto.randomUUID()}` });
  expect(said()).toEqual([]);
});

test('each signal can be switched off, and all of them', async () => {
  const off = { renewedKeys: false, weakKeys: false, hastyRetries: false, replayStorms: false } as const;
  for (const misuse of [{ ...off, changedPayloads: false } as const, false as const]) {
    const { call, said } = server(misuse);
    for (let i = 0; i < 40; i++) await call({ key: `${i}` }, fails);
    for (let i = 0; i < 40; i++) await call({ key: 'same', fingerprint: `v1:${i}` });
    expect(said()).toEqual([]);
  }
});

test('an event has neither key nor fingerprint in it', async () => {
  const { call, signals } = server();
  for (let i = 0; i < 40; i++) await call({ key: 'secret-key', fingerprint: `v1:secret-print-${i}` });
  expect(new Set(signals.map(({ signal }) => signal))).toEqual(
    new Set(['hasty_retry', 'changed_payload', 'replay_storm']),
  );
  expect(JSON.stringify(signals)).not.toContain('secret');
});

test.each([
  [{ windowMs: 0 }, 'misuse.windowMs must be a whole number between 1 and 86400000, not 0'],
  [{ entries: 1e9 }, 'misuse.entries must be a whole number between 4 and 1048576, not 1000000000'],
  [
    { renewedKeys: { inDoubt: 1 } },
    'misuse.renewedKeys.inDoubt must be a whole number between 2 and 1000000, not 1',
  ],
  [{ weakKeys: { keys: 0.5 } }, 'misuse.weakKeys.keys must be a whole number between 1 and 1000000, not 0.5'],
])('%j is refused when the server starts', (misuse, message) => {
  expect(() => createSemel({ store: createMemoryStore(), recovery: false, misuse })).toThrow(message);
});
