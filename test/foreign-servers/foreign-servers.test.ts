// Plain fetch against servers that are nobody's of this project: published middleware on Express, and a strict reading of
// the draft in Python. What they have in common is draft-07; no header, envelope or document of Semel's.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { HttpAnswerError, memoryJournal } from '@semel/client';
import { loseAnswerAfter } from '@semel/testing/faults';
import { describe, expect, test } from 'vitest';
import { bodyOf, customer, orderOf, running, useServer } from './customer.ts';
import { startExpressIdempotency } from './express-idempotency.ts';
import { startNodeIdempotency } from './node-idempotency.ts';
import { hasPython, startPython } from './python.ts';

const EXPRESS = {
  name: 'express-idempotency 1.0.6 on Express',
  start: startExpressIdempotency,
  conflict: 417,
} as const;
const NODE = {
  name: '@node-idempotency/core 1.0.11 on Express',
  start: startNodeIdempotency,
  conflict: 422,
} as const;
const PYTHON = { name: 'draft-07 to the letter, in Python', start: startPython, conflict: 422 } as const;

test('these are the versions that the titles and the guide name', () => {
  const { resolve } = createRequire(import.meta.url);
  const versionOf = (name: string): string => {
    const entry = resolve(name);
    const folder = entry.slice(0, entry.lastIndexOf(`/${name}/`) + name.length + 2);
    return (JSON.parse(readFileSync(`${folder}package.json`, 'utf8')) as { version: string }).version;
  };
  expect(versionOf('express-idempotency')).toBe('1.0.6');
  expect(versionOf('@node-idempotency/core')).toBe('1.0.11');
  const guide = readFileSync(new URL('../../docs/guides/client/vanilla.md', import.meta.url), 'utf8');
  expect(guide).toContain('`express-idempotency` 1.0.6');
  expect(guide).toContain('`@node-idempotency/core` 1.0.11');
});

// A machine without Python shows the last of them as skipped.
describe.each([EXPRESS, NODE, PYTHON])('$name', ({ start, conflict }) => {
  const missing = start === startPython && !hasPython;
  const it = test.skipIf(missing);
  const at = useServer(start, missing);

  it('does an order once whose answer was lost, and the second request gets that answer', async () => {
    const order = orderOf('lost');
    at.proxy().setFaults({ onData: loseAnswerAfter('POST /orders').onData });
    const { send, sent } = customer();
    const outcome = await send(at.url(), order);
    expect(outcome).toMatchObject({ status: 'completed', replayed: undefined });
    expect(await bodyOf(outcome)).toEqual({ id: `${order.reference}-1`, sku: 'tea' });
    expect(sent()).toBe(2);
    expect(await at.count(order)).toBe(1);
  });

  it('does an order once whose request never arrived', async () => {
    const order = orderOf('cut');
    let isCut = false;
    at.proxy().setFaults({
      onData(direction) {
        if (isCut || direction === 'toClient') return 'pass';
        isCut = true;
        return 'reset';
      },
    });
    const { send, sent } = customer();
    expect(await send(at.url(), order)).toMatchObject({ status: 'completed' });
    expect(sent()).toBe(2);
    expect(await at.count(order)).toBe(1);
  });

  it('answers 409 while the first runs: the duplicate waits, and gets the same answer', async () => {
    const order = { ...orderOf('twice'), hold: true };
    const first = customer({ attemptTimeoutMs: 20_000 });
    const second = customer({ attemptTimeoutMs: 20_000 });
    const one = first.send(at.url(), order);
    await expect.poll(() => at.count(order)).toBe(1);
    const waits = second.next('wait');
    const other = second.send(at.url(), order);
    expect(await waits).toMatchObject({ code: 'in_flight' });
    await at.release();
    const bodies = [await bodyOf(await one), await bodyOf(await other)];
    expect(bodies).toEqual(Array(2).fill({ id: `${order.reference}-1`, sku: 'tea' }));
    expect(await at.count(order)).toBe(1);
  });

  it(`refuses the key with another payload (${conflict}): told as that, and sent once`, async () => {
    const order = orderOf('reused');
    await customer().send(at.url(), order);
    const { send, sent } = customer();
    const outcome = await send(at.url(), { ...order, sku: 'coffee' });
    expect(outcome).toMatchObject({ status: 'rejected', key: order.reference, problem: undefined });
    const error = outcome.status === 'rejected' && HttpAnswerError.from(outcome.error);
    expect(error).toMatchObject({ status: conflict });
    expect(sent()).toBe(1);
    expect(await at.count(order)).toBe(1);
  });

  it('declines: told as the answer, with its status and body', async () => {
    const { send, sent } = customer();
    const outcome = await send(at.url(), { ...orderOf('declined'), decline: true });
    expect(outcome).toMatchObject({
      status: 'rejected',
      error: { status: 402, body: expect.stringMatching(/^\{"message": ?"declined"\}$/) },
    });
    expect(sent()).toBe(1);
  });

  it('gives a page that is loaded later the answer of the first, for the same intent', async () => {
    const order = orderOf('reload');
    const journal = memoryJournal();
    const first = await customer({ journal }).send(at.url(), order, 'cart-7');
    const later = await customer({ journal }).send(at.url(), order, 'cart-7');
    expect(await bodyOf(later)).toEqual(await bodyOf(first));
    expect(later.key).toBe(first.key);
    expect(await at.count(order)).toBe(1);
  });

  it('holds the key of a handler that never ends: told as in flight, not as failed', async () => {
    const order = { ...orderOf('dead'), never: true };
    const { send } = customer({ attemptTimeoutMs: 100, deadlineMs: 1_500, pollMs: 1_500 });
    expect(await send(at.url(), order)).toMatchObject({
      status: 'in_flight',
      key: order.reference,
      cause: { status: 409 },
    });
    expect(await at.count(order)).toBe(1);
  });
});

describe('a handler that answers 500 after its effect', () => {
  test(`is run again by ${EXPRESS.name}, which keeps good answers only: two effects`, async () => {
    await using server = await running(EXPRESS.start);
    const order = { ...orderOf('stumble'), stumble: true };
    expect(await customer().send(server.url, order)).toMatchObject({ status: 'completed' });
    expect(await server.count(order)).toBe(2);
  });

  test.each([NODE, ...(hasPython ? [PYTHON] : [])])(
    'is not run again by $name, which replays the 500: told as unknown',
    async ({ start }) => {
      await using server = await running(start);
      const order = { ...orderOf('stumble'), stumble: true };
      const outcome = await customer().send(server.url, order);
      expect(outcome).toMatchObject({ status: 'unknown', reason: 'server', key: order.reference });
      expect(await server.count(order)).toBe(1);
    },
  );
});

describe('a retry that tells the age of its key, whose first answer was lost', () => {
  test.skipIf(!hasPython)('is the same request to who parses the header as the draft asks', async () => {
    expect(await executionsWithAge(startPython)).toBe(1);
  });

  test.each([EXPRESS, NODE])(
    'is another request to $name, which takes the header for a text: two effects',
    async ({ start }) => {
      expect(await executionsWithAge(start)).toBe(2);
    },
  );

  async function executionsWithAge(start: typeof startPython): Promise<number> {
    await using server = await running(start);
    const order = orderOf('aged');
    server.proxy.setFaults({ onData: loseAnswerAfter('POST /orders').onData });
    const { send } = customer({ age: true });
    expect(await send(server.url, order)).toMatchObject({ status: 'completed' });
    // Before it is taken down.
    return await server.count(order);
  }
});
