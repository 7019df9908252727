// Runs in the browser: the client library as a page would set it up, for tests to drive through `page.evaluate`.
import {
  createSemelClient,
  type Journal,
  type JournalRecord,
  keyedFetch,
  outcomeOf,
  resume,
  type SemelClient,
  type SemelClientOptions,
  type SemelEvent,
} from '@semel/client';
import { indexedDbJournal } from '@semel/client/indexeddb';
import { browserTabs } from '@semel/client/tabs';
import { webStorageJournal } from '@semel/client/web-storage';
import type { AppRouter } from '@semel/reference-server';
import {
  createTRPCClient,
  createWSClient,
  httpBatchLink,
  httpBatchStreamLink,
  httpLink,
  type TRPCClient,
  wsLink,
} from '@trpc/client';
import superjson from 'superjson';
import type { LabRouter } from './server.ts';

/** Where a page can be made to stop for good, so that a test can kill it there. */
export type KillPoint = 'before claim' | 'after claim' | 'after send' | 'before the record is updated';

export interface LabOptions extends Omit<SemelClientOptions, 'journal' | 'tabs' | 'onEvent'> {
  readonly link?: 'http' | 'batch' | 'stream' | 'ws';
  readonly journal?: 'indexeddb' | 'web-storage' | 'memory' | Journal;
  readonly tabs?: boolean;
  /** Stops here for good. */
  readonly killAt?: KillPoint;
  readonly bearer?: string;
  /** @default '/trpc' */
  readonly url?: string;
}

interface Lab {
  readonly semel: SemelClient;
  readonly events: readonly SemelEvent[];
  /** The reference server. */
  readonly trpc: TRPCClient<AppRouter>;
  /** The server of `lab/server.ts`. */
  readonly shop: TRPCClient<LabRouter>;
  types(): SemelEvent['type'][];
}

function open(options: LabOptions = {}): Lab {
  const {
    link = 'http',
    journal = 'indexeddb',
    tabs = true,
    killAt,
    bearer = 'sk_demo_acme',
    url = '/trpc',
  } = options;
  const events: SemelEvent[] = [];
  const book =
    typeof journal === 'object'
      ? journal
      : {
          indexeddb: () => indexedDbJournal(),
          'web-storage': () => webStorageJournal(),
          memory: () => undefined,
        }[journal]();
  const semel = createSemelClient({
    scope: 'guest',
    persistInput: () => true,
    ...options,
    retry: { baseMs: 50, attemptTimeoutMs: 5_000, ...options.retry },
    inFlight: { firstMs: 30, ...options.inFlight },
    ...(tabs && { tabs: browserTabs() }),
    ...(book && { journal: killAt ? stopping(book, killAt) : book }),
    onEvent: (event) => events.push(event),
  } as SemelClientOptions);
  const authorization = `Bearer ${bearer}`;
  const http = {
    url,
    transformer: superjson,
    headers: semel.headers(() => ({ authorization })),
    fetch: semel.fetch(killAt ? killedFetch(killAt) : undefined),
    maxItems: 100,
  };
  const socket =
    link === 'ws'
      ? createWSClient({
          url: `${location.origin.replace('http', 'ws')}/trpc`,
          connectionParams: { authorization },
        })
      : undefined;
  const end = socket
    ? wsLink({ client: socket, transformer: superjson })
    : { http: httpLink, batch: httpBatchLink, stream: httpBatchStreamLink, ws: httpLink }[link](
        http as never,
      );
  const links = [semel.link({ carrier: link === 'ws' ? 'envelope' : 'headers' }), end] as never;
  return {
    semel,
    events,
    trpc: createTRPCClient<AppRouter>({ links }),
    shop: createTRPCClient<LabRouter>({ links }),
    types: () => events.map(({ type }) => type),
  };
}

/** Tells the test that the page has got there, and stays there. */
function stopHere(point: KillPoint): Promise<never> {
  document.documentElement.dataset.stopped = point;
  return new Promise(() => {});
}

function stopping(journal: Journal, killAt: KillPoint): Journal {
  return {
    ...journal,
    claim(record) {
      if (killAt === 'before claim') return stopHere(killAt);
      if (killAt !== 'after claim') return journal.claim(record);
      return Promise.resolve(journal.claim(record)).then(() => stopHere(killAt));
    },
    update(record: JournalRecord) {
      // While it is sent, that is written down too; then comes what the answer brings.
      if (killAt === 'before the record is updated' && record.state !== 'sending') return stopHere(killAt);
      return journal.update(record);
    },
    settle(record) {
      if (killAt === 'before the record is updated') return stopHere(killAt);
      return journal.settle(record);
    },
  };
}

const killedFetch =
  (killAt: KillPoint) =>
  async (url: string | URL | Request, init?: RequestInit): Promise<Response> => {
    if (killAt !== 'after send') return fetch(url, init);
    void fetch(url, init);
    return stopHere(killAt);
  };

const lab = { open, outcomeOf, resume, keyedFetch, indexedDbJournal, webStorageJournal, superjson };

declare global {
  interface Window {
    lab: typeof lab;
    /** What a test leaves in a page between two of its steps. */
    // biome-ignore lint/suspicious/noExplicitAny: whatever it is
    kept: any;
  }
}
window.lab = lab;
