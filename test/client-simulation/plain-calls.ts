import { type Intent, keyedFetch, type Outcome, type ResumeOptions, type SemelClient } from '@semel/client';
import { type Order, SHOP_URL } from './shop.ts';

interface PlainCalls {
  send(
    path: string,
    order: Order,
    intent: Intent | undefined,
    signal: AbortSignal,
  ): Promise<Outcome<unknown>>;
  readonly resuming: ResumeOptions;
}

/** Plain routes, as an application calls them and takes up again what an earlier page had begun. */
export function plainCalls(semel: SemelClient, fetch: typeof globalThis.fetch, user: string): PlainCalls {
  const headers = { authorization: user, 'content-type': 'application/json' };
  const keyed = keyedFetch(semel, fetch);
  return {
    async send(path, order, intent, signal) {
      const outcome = await keyed(`${SHOP_URL}/v1/${path}`, {
        headers,
        signal,
        body: JSON.stringify(order),
        // Or by a key of the application's own.
        ...(intent ? { intent } : { key: order.cart }),
      });
      return outcome.status === 'completed' ? { ...outcome, data: await outcome.data.json() } : outcome;
    },
    resuming: {
      send: ({ path, input }, context) =>
        typeof input === 'string'
          ? keyed(path.slice('POST '.length), {
              headers,
              body: input,
              ...('intent' in context ? context : { key: context.idempotencyKey }),
            })
          : undefined,
      async status(procedure, key) {
        const url = `${SHOP_URL}/idempotency/operations?procedure=${procedure}`;
        const answer = await fetch(url, { headers: { ...headers, 'idempotency-key': `"${key}"` } });
        if (!answer.ok) throw new Error(`status ${answer.status}`);
        return answer.json();
      },
      procedure: (path) => path.slice(path.lastIndexOf('/') + 1),
    },
  };
}
