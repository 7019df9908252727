import { createTRPCClient, httpBatchLink } from '@trpc/client';
import superjson from 'superjson';
import type { SemelClientOptions, SemelEvent } from '../index.ts';
import { createSemelClient } from '../index.ts';
import type { TestRouter, TestServer } from './server.ts';

/** A page's life: what a reload begins anew. Two of them over one journal are a reload, or two tabs. */
export function openPage(server: TestServer, options: SemelClientOptions = {}) {
  const events: SemelEvent[] = [];
  // A page that is killed sends nothing more and hears nothing.
  const life = new AbortController();
  const semel = createSemelClient({
    retry: { baseMs: 1, attemptTimeoutMs: 5_000 },
    inFlight: { firstMs: 5 },
    scope: 'alice',
    ...options,
    onEvent: (event) => events.push(event),
  });
  const fetchUntilDeath: typeof fetch = (url, init) => {
    if (life.signal.aborted) return new Promise(() => {});
    return new Promise((resolve, reject) => {
      fetch(url, {
        ...init,
        signal: AbortSignal.any([life.signal, ...(init?.signal ? [init.signal] : [])]),
      }).then(
        (response) => !life.signal.aborted && resolve(response),
        (error) => !life.signal.aborted && reject(error),
      );
    });
  };
  const trpc = createTRPCClient<TestRouter>({
    links: [
      semel.link(),
      httpBatchLink({
        url: server.url,
        transformer: superjson,
        headers: semel.headers(),
        fetch: semel.fetch(fetchUntilDeath as never),
        maxItems: 100,
      }),
    ],
  });
  return {
    semel,
    trpc,
    events,
    /** The page dies: requests are cut, answers go nowhere. */
    kill: () => life.abort(),
    types: () => events.map(({ type }) => type),
  };
}

/** Waits for a condition. */
export async function until(condition: () => unknown): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve));
}
