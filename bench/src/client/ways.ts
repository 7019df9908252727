import { createSemelClient, type Journal } from '@semel/client';
import { createTRPCClient, httpLink, retryLink, type TRPCLink } from '@trpc/client';

/** Sends one mutation; resolves with its answer. */
export type Way = () => Promise<unknown>;

/** An answer that costs nothing, so that only the client is measured. */
const answering = () => {
  const text = '{"result":{"data":{"id":"order-1"}}}';
  const answer = {
    ok: true,
    status: 200,
    headers: new Headers({ 'content-type': 'application/json' }),
    text: async () => text,
    json: async () => JSON.parse(text),
    clone: () => answer,
  };
  return {
    fetch: async () => answer,
  };
};

// biome-ignore lint/suspicious/noExplicitAny: no router is behind it
type AnyClient = { pay: { mutate(input: unknown, options?: object): Promise<any> } };

function wayOf(links: TRPCLink<never>[], context?: () => object): Way {
  const client = createTRPCClient<never>({ links }) as unknown as AnyClient;
  let count = 0;
  return () => client.pay.mutate({ cart: ++count, amount: 10 }, { context: context?.() });
}

export const bare = (): Way =>
  wayOf([httpLink({ url: 'http://x', fetch: answering().fetch as never }) as never]);

export const withRetryLink = (): Way =>
  wayOf([
    retryLink({ retry: ({ attempts }) => attempts < 5 }) as never,
    httpLink({ url: 'http://x', fetch: answering().fetch as never }) as never,
  ]);

/**
 * @param journal without one it is the client's own, in memory, and inputs needn't be told apart
 * @param intents each mutation is an intent of its own, which the journal then keeps
 */
export function keyed(journal?: Journal, intents = false): Way {
  const semel = createSemelClient({ scope: 'alice', ...(journal && { journal }) });
  let count = 0;
  return wayOf(
    [
      semel.link() as never,
      httpLink({
        url: 'http://x',
        headers: semel.headers() as never,
        fetch: semel.fetch(answering().fetch as never) as never,
      }) as never,
    ],
    intents ? () => ({ intent: semel.intent('pay', [++count]) }) : undefined,
  );
}
