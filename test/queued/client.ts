import { createSemelClient, type SemelClientOptions, type SemelEvent } from '@semel/client';
import {
  createTRPCClient,
  createWSClient,
  httpBatchLink,
  httpBatchStreamLink,
  httpLink,
  httpSubscriptionLink,
  splitLink,
  type TRPCLink,
  wsLink,
} from '@trpc/client';
import superjson from 'superjson';
import { FetchEventSource } from './event-source.ts';
import type { PayoutsRouter } from './payouts.ts';
import { afterwards } from './stage.ts';

export const CARRIERS = ['httpLink', 'httpBatchLink', 'httpBatchStreamLink', 'wsLink'] as const;
export type Carrier = (typeof CARRIERS)[number];
const HTTP_LINKS = { httpLink, httpBatchLink, httpBatchStreamLink };

/** The real client on a real port. Over HTTP subscriptions come as server-sent events. */
export function connect(
  carrier: Carrier,
  { url, wsUrl }: { readonly url: string; readonly wsUrl: string },
  { user = 'alice', ...options }: SemelClientOptions & { readonly user?: string } = {},
) {
  const events: SemelEvent[] = [];
  const semel = createSemelClient({
    inFlight: { firstMs: 10, factor: 1.6, capMs: 100 },
    onEvent: (event) => events.push(event),
    ...options,
  });
  const authorization = `Bearer ${user}`;
  const httpLinks = (name: keyof typeof HTTP_LINKS): TRPCLink<PayoutsRouter>[] => [
    semel.link(),
    splitLink({
      condition: ({ type }) => type === 'subscription',
      true: httpSubscriptionLink({
        url,
        transformer: superjson,
        EventSource: FetchEventSource as never,
        eventSourceOptions: { headers: { authorization } } as never,
      }) as TRPCLink<PayoutsRouter>,
      false: HTTP_LINKS[name]({
        url,
        transformer: superjson,
        headers: semel.headers(() => ({ authorization })),
        fetch: semel.fetch(),
      }) as TRPCLink<PayoutsRouter>,
    }),
  ];
  const socket = carrier === 'wsLink' ? createWSClient({ url: wsUrl }) : undefined;
  if (socket) afterwards(() => socket.close());
  const links: TRPCLink<PayoutsRouter>[] = socket
    ? [semel.link({ carrier: 'envelope' }), wsLink({ client: socket, transformer: superjson })]
    : httpLinks(carrier as keyof typeof HTTP_LINKS);
  return { semel, events, api: createTRPCClient<PayoutsRouter>({ links }) };
}
