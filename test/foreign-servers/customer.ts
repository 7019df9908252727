import { randomUUID } from 'node:crypto';
import { createSemelClient, type Journal, keyedFetch, type Outcome, type SemelEvent } from '@semel/client';
import { createTcpProxy, type TcpProxy } from '@semel/testing/faults';
import { afterAll, beforeAll, expect } from 'vitest';
import type { ForeignServer, Order } from './orders.ts';

export const orderOf = (what: string): Order => ({ reference: `${what}-${randomUUID()}`, sku: 'tea' });

interface CustomerOptions {
  readonly journal?: Journal;
  readonly age?: boolean;
  readonly attemptTimeoutMs?: number;
  readonly deadlineMs?: number;
  readonly pollMs?: number;
}

/** Somebody with a client of their own, as an application has it, but quicker to ask again. */
export function customer(options: CustomerOptions = {}) {
  const { journal, age = false, attemptTimeoutMs = 400, deadlineMs = 20_000, pollMs = 50 } = options;
  const events: SemelEvent[] = [];
  const semel = createSemelClient({
    retry: { baseMs: 5, attemptTimeoutMs, deadlineMs },
    inFlight: { firstMs: 5, factor: 4, capMs: pollMs },
    scope: 'ann',
    onEvent: (event) => events.push(event),
    ...(journal && { journal }),
  });
  const keyed = keyedFetch(semel, undefined, { age });
  return {
    /** Without an intent the order's reference is its key. */
    send: (url: string, order: Order, intent?: string): Promise<Outcome<Response>> =>
      keyed(`${url}/orders`, {
        ...(intent === undefined ? { key: order.reference } : { intent }),
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(order),
      }),
    sent: () => events.filter(({ type }) => type === 'attempt').length,
    next: (type: SemelEvent['type']) =>
      new Promise<SemelEvent>((resolve) => {
        const off = semel.on(type, (event) => {
          off();
          resolve(event);
        });
      }),
  };
}

export async function bodyOf(outcome: Outcome<Response>): Promise<unknown> {
  expect(outcome.status).toBe('completed');
  return outcome.status === 'completed' ? outcome.data.json() : undefined;
}

/** A server, and a way to it that can be broken. It's asked past that how often it did something. */
export async function running(start: () => Promise<ForeignServer>) {
  const server = await start();
  const proxy = await createTcpProxy({
    target: { host: '127.0.0.1', port: Number(new URL(server.url).port) },
  });
  return {
    proxy,
    url: `http://127.0.0.1:${proxy.port}`,
    async count({ reference }: Order): Promise<number> {
      const answer = await fetch(`${server.url}/executions?reference=${reference}`);
      return ((await answer.json()) as { count: number }).count;
    },
    /** Lets go who is held. */
    release: () => fetch(`${server.url}/release`, { method: 'POST' }),
    async [Symbol.asyncDispose]() {
      await proxy.close();
      await server.close();
    },
  };
}

/** One for all tests of a group. */
export function useServer(start: () => Promise<ForeignServer>, missing: boolean) {
  let server: Awaited<ReturnType<typeof running>>;
  beforeAll(async () => {
    if (!missing) server = await running(start);
  });
  afterAll(() => server?.[Symbol.asyncDispose]());
  return {
    proxy: (): TcpProxy => server.proxy,
    url: () => server.url,
    count: (order: Order) => server.count(order),
    release: () => server.release(),
  };
}
