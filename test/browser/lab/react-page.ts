// Runs in the browser: a React application with the client library, and React Query beside it.
import { createSemelClient, resume, type SemelEvent } from '@semel/client';
import { indexedDbJournal } from '@semel/client/indexeddb';
import { useIntent, usePendingOperations } from '@semel/client/react';
import { browserTabs } from '@semel/client/tabs';
import type { AppRouter } from '@semel/reference-server';
import {
  dehydrate,
  hydrate,
  onlineManager,
  QueryClient,
  QueryClientProvider,
  useMutation,
} from '@tanstack/react-query';
import { createTRPCClient, httpLink } from '@trpc/client';
import { createTRPCOptionsProxy } from '@trpc/tanstack-react-query';
import { createElement as h, StrictMode, useState, version } from 'react';
import { createRoot } from 'react-dom/client';
import superjson from 'superjson';

const query = new URL(location.href).searchParams;
const sku = query.get('sku') ?? 'react';
const events: SemelEvent[] = [];
const semel = createSemelClient({
  journal: indexedDbJournal(),
  tabs: browserTabs(),
  scope: 'guest',
  persistInput: () => true,
  retry: { baseMs: 20, maxAttempts: Number(query.get('attempts') ?? 5) },
  onEvent: (event) => events.push(event),
});
const trpc = createTRPCClient<AppRouter>({
  links: [
    semel.link(),
    httpLink({
      url: '/trpc',
      transformer: superjson,
      headers: semel.headers(() => ({ authorization: 'Bearer sk_demo_acme' })),
      fetch: semel.fetch(),
    }),
  ],
});

const STORED = 'query-cache';
const queryClient = new QueryClient({ defaultOptions: { mutations: { retryDelay: 20 } } });
const options = createTRPCOptionsProxy<AppRouter>({ client: trpc, queryClient });
// What resumes a mutation that was persisted: its key is in the journal, under an equal input.
queryClient.setMutationDefaults(
  options.orders.create.mutationKey(),
  options.orders.create.mutationOptions({ trpc: { context: { resume: true } } }),
);

let renders = 0;

function Pay() {
  renders++;
  const { run, status, outcome, next } = useIntent(semel, 'react', [sku]);
  const pay = () => void run((context) => trpc.orders.create.mutate({ sku, quantity: 1 }, { context }));
  return h(
    'section',
    null,
    h('p', { id: 'status' }, status),
    h('p', { id: 'outcome' }, outcome?.status ?? 'none'),
    h('button', { id: 'pay', type: 'button', onClick: pay }, 'Pay'),
    h('button', { id: 'next', type: 'button', onClick: () => void next() }, 'Next'),
  );
}

function Pending() {
  const { operations, isLoaded, forget } = usePendingOperations(semel);
  return h(
    'ul',
    { id: 'pending', 'data-loaded': String(isLoaded) },
    operations.map((operation) =>
      h(
        'li',
        { key: operation.key, onClick: () => void forget(operation) },
        `${operation.path} ${operation.live ? 'live' : operation.state}`,
      ),
    ),
  );
}

function Query({ withIntent }: { withIntent: boolean }) {
  const { context, status } = useIntent(semel, 'query', [sku]);
  const pay = useMutation(
    options.orders.create.mutationOptions({
      retry: Number(query.get('retry') ?? 0),
      ...(withIntent && { trpc: { context } }),
    }),
  );
  return h(
    'section',
    null,
    h('p', { id: 'status' }, status),
    h('p', { id: 'mutation' }, `${pay.status}${pay.isPaused ? ' paused' : ''}`),
    h('button', { id: 'pay', type: 'button', onClick: () => pay.mutate({ sku, quantity: 1 }) }, 'Pay'),
  );
}

function App() {
  const [isShown, show] = useState(true);
  const kind = query.get('app');
  return h(
    'main',
    null,
    h('button', { id: 'toggle', type: 'button', onClick: () => show(!isShown) }, 'Toggle'),
    isShown && (kind === 'pay' ? h(Pay) : h(Query, { withIntent: kind === 'intent' })),
    h(Pending),
  );
}

createRoot(document.body.appendChild(document.createElement('div'))).render(
  h(StrictMode, null, h(QueryClientProvider, { client: queryClient }, h(App))),
);

const app = {
  version,
  events,
  semel,
  renders: () => renders,
  records: () => semel.journal.list(),
  resume: () => resume(semel, trpc),
  /** As a persister would: also what is under way. */
  persist: () =>
    localStorage.setItem(
      STORED,
      JSON.stringify(dehydrate(queryClient, { shouldDehydrateMutation: () => true })),
    ),
  /** What a page does when it loads. */
  restore: async () => {
    hydrate(queryClient, JSON.parse(localStorage.getItem(STORED) ?? '{}'));
    const all = queryClient.getMutationCache().getAll();
    const found = all.map(({ state }) => `${state.status}${state.isPaused ? ' paused' : ''}`);
    // React Query goes on with what was paused; what was under way has to be begun again by hand.
    await queryClient.resumePausedMutations();
    await Promise.all(
      all.filter(({ state }) => state.status === 'pending').map((mutation) => mutation.continue()),
    );
    return { found, after: all.map(({ state }) => state.status) };
  },
  setOnline: (online: boolean) => onlineManager.setOnline(online),
};

declare global {
  interface Window {
    app: typeof app;
  }
}
window.app = app;
