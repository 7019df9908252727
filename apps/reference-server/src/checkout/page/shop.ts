import { createSemelClient } from '@semel/client';
import { indexedDbJournal } from '@semel/client/indexeddb';
import { browserTabs } from '@semel/client/tabs';
import { createTRPCClient, httpLink } from '@trpc/client';
import superjson from 'superjson';
import type { AppRouter } from '../../procedures/router.ts';
import type { createWeather } from './weather.ts';

/** Public: a page of a real shop has a session, never a secret key. */
const authorization = 'Bearer sk_demo_acme';
const url = '/trpc';

/** The client library as a shop would set it up. */
export function createShop(weather: ReturnType<typeof createWeather>) {
  const semel = createSemelClient({
    journal: indexedDbJournal(),
    tabs: browserTabs(),
    connectivity: weather.connectivity,
    scope: () => 'guest',
    deployment: location.origin,
    persistInput: (path) => path === 'payments.create' || path === 'payouts.create',
    retry: { baseMs: 400, capMs: 4_000, attemptTimeoutMs: 10_000, budget: { max: 30, refillPerSuccess: 3 } },
  });
  const trpc = createTRPCClient<AppRouter>({
    links: [
      semel.link(),
      httpLink({
        url,
        transformer: superjson,
        headers: semel.headers(() => ({ authorization })),
        fetch: semel.fetch(weather.fetch),
      }),
    ],
  });
  /** What the server has in its books, whatever the weather: for the panel, not for the shop. */
  const books = createTRPCClient<AppRouter>({
    links: [httpLink({ url, transformer: superjson, headers: { authorization } })],
  });
  return { semel, trpc, books };
}

export type Shop = ReturnType<typeof createShop>;
