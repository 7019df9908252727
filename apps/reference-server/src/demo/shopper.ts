import { createSemelClient, type Outcome, outcomeOf } from '@semel/client';
import { createTRPCClient, httpLink, type TRPCClient } from '@trpc/client';
import superjson from 'superjson';
import type { AppRouter } from '../procedures/router.ts';
import type { Tally } from './act.ts';

export const newTally = (): Tally => ({
  calls: 0,
  requests: 0,
  completed: 0,
  replayed: 0,
  refused: 0,
  unanswered: 0,
});

/** A device of a customer of ours: the real client, as an application would put it together. */
export interface Shopper {
  /** One user action under that key; what became of it is counted. */
  act<T>(
    key: string,
    call: (client: TRPCClient<AppRouter>, options: CallOptions) => Promise<T>,
  ): Promise<Outcome<T>>;
}

/** For tRPC's second argument. */
export interface CallOptions {
  readonly context: { readonly idempotencyKey: string };
}

export const ACME = 'sk_demo_acme';
export const GLOBEX = 'sk_demo_globex';

export function createShopper(url: string, tally: Tally, apiKey: string = ACME): Shopper {
  const semel = createSemelClient({
    // Patient: a server of this story stays away for a while. The key is never renewed.
    retry: { maxAttempts: 60, capMs: 1_000, deadlineMs: 20_000, budget: { max: 1_000, refillPerSuccess: 1 } },
    onEvent: ({ type }) => {
      if (type === 'attempt') tally.requests++;
    },
  });
  const client = createTRPCClient<AppRouter>({
    links: [
      semel.link(),
      httpLink({
        url: `${url}/trpc`,
        transformer: superjson,
        headers: semel.headers(() => ({ authorization: `Bearer ${apiKey}` })),
        fetch: semel.fetch(),
      }),
    ],
  });
  return {
    async act(key, call) {
      tally.calls++;
      const outcome = await outcomeOf(() => call(client, { context: { idempotencyKey: key } }));
      if (outcome.status === 'completed') {
        if (outcome.replayed === true) tally.replayed++;
        else tally.completed++;
      } else if (outcome.status === 'rejected') tally.refused++;
      else tally.unanswered++;
      return outcome;
    },
  };
}

/** The ids that completed calls of one key got: one id, if it happened once. */
export const distinctIds = (outcomes: readonly Outcome<{ readonly id: string }>[]): number =>
  new Set(outcomes.flatMap((outcome) => (outcome.status === 'completed' ? [outcome.data.id] : []))).size;

/** In words, for calls that should have been answered. */
export const unexpected = (
  outcomes: readonly Outcome<unknown>[],
  wanted: 'completed' | 'rejected',
): string[] =>
  outcomes.flatMap((outcome) => {
    if (outcome.status === wanted) return [];
    const why = 'error' in outcome ? outcome.error : 'cause' in outcome ? outcome.cause : outcome.status;
    return [
      `a call was ${outcome.status}, wanted ${wanted}: ${why instanceof Error ? why.message : String(why)}`,
    ];
  });
