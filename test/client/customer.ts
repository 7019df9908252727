import { createSemelClient, type SemelClient, type SemelClientOptions, type SemelEvent } from '@semel/client';
import {
  createTRPCClient,
  createWSClient,
  httpBatchLink,
  httpBatchStreamLink,
  httpLink,
  type TRPCClient,
  type TRPCLink,
  wsLink,
} from '@trpc/client';
import superjson from 'superjson';
import type { ShopRouter } from './shop.ts';

export const CARRIERS = ['httpLink', 'httpBatchLink', 'httpBatchStreamLink', 'wsLink'] as const;
export type Carrier = (typeof CARRIERS)[number];
const HTTP_LINKS = { httpLink, httpBatchLink, httpBatchStreamLink };

/** Streams and sockets carry no mark: there `replayed` is unknown. */
export const marked = (carrier: Carrier, replayed: boolean): boolean | undefined =>
  carrier === 'httpLink' || carrier === 'httpBatchLink' ? replayed : undefined;

export interface Customer {
  readonly semel: SemelClient;
  readonly api: TRPCClient<ShopRouter>;
  /** All that the client told, oldest first. */
  readonly events: readonly SemelEvent[];
  /** The next event of a type. */
  next(type: SemelEvent['type']): Promise<SemelEvent>;
  attempts(): number;
  /** Every key that was ever sent. */
  keys(): string[];
  close(): Promise<void>;
}

/** The real client, on a real port. Quick to try again, so that tests are; else as an application has it. */
export function createCustomer(carrier: Carrier, port: number, options: SemelClientOptions = {}): Customer {
  const events: SemelEvent[] = [];
  const { retry, ...rest } = options;
  const semel = createSemelClient({
    retry: {
      baseMs: 10,
      maxAttempts: 8,
      attemptTimeoutMs: 400,
      deadlineMs: 20_000,
      budget: { max: 1_000, refillPerSuccess: 1 },
      ...retry,
    },
    inFlight: { firstMs: 5, factor: 1.6, capMs: 50 },
    onEvent: (event) => events.push(event),
    ...rest,
  });

  const openSocket = () =>
    createWSClient({
      url: `ws://127.0.0.1:${port}`,
      retryDelayMs: () => 5,
      // Without it a socket whose other end is gone is never found out.
      keepAlive: { enabled: true, intervalMs: 100, pongTimeoutMs: 100 },
    });
  const socket = carrier === 'wsLink' ? openSocket() : undefined;
  const links: TRPCLink<ShopRouter>[] = socket
    ? [semel.link({ carrier: 'envelope' }), wsLink({ client: socket, transformer: superjson })]
    : [
        semel.link(),
        HTTP_LINKS[carrier as keyof typeof HTTP_LINKS]({
          url: `http://127.0.0.1:${port}`,
          transformer: superjson,
          headers: semel.headers(),
          fetch: semel.fetch(),
        }) as TRPCLink<ShopRouter>,
      ];
  return {
    semel,
    events,
    api: createTRPCClient<ShopRouter>({ links }),
    next: (type) =>
      new Promise((resolve) => {
        const off = semel.on(type, (event) => {
          off();
          resolve(event);
        });
      }),
    attempts: () => events.filter(({ type }) => type === 'attempt').length,
    keys: () => [...new Set(events.flatMap((event) => ('key' in event ? [event.key] : [])))],
    async close() {
      await socket?.close();
    },
  };
}
