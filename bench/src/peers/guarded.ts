import { initTRPC, TRPCError } from '@trpc/server';
import { createHTTPHandler } from '@trpc/server/adapters/standalone';
import { openThings, type ThingInput, type Things, thingInput } from '../things.ts';
import { listen } from './listen.ts';
import type { Answer, Peer, Running, Services } from './peer.ts';
import { plainRoad } from './plain-road.ts';

/** Runs the handler at most once for each key, as well as it can. */
export interface Guard {
  run(key: string | undefined, input: ThingInput): Promise<Answer>;
  close?(): Promise<void>;
}

type Facts = Omit<Peer, 'listen'>;

/** A peer that is a function around the handler: it is served by plain HTTP and by tRPC alike, and called in process. */
export function guarded(facts: Facts, open: (things: Things, services: Services) => Promise<Guard>): Peer {
  return {
    ...facts,
    async listen(services): Promise<Running> {
      const things = await openThings(services.postgres, services.armed);
      const guard = await open(things, services);
      const plain = plainRoad(things, (key, input) => guard.run(key, input));
      const trpc = trpcRoad(guard);
      const server = await listen((req, res) => (req.url?.startsWith('/trpc/') ? trpc : plain)(req, res));
      return {
        url: server.url,
        call: (key, input) => guard.run(key, input),
        async close() {
          await server.close();
          await guard.close?.();
          await things.close();
        },
      };
    },
  };
}

interface Context {
  readonly key: string | undefined;
}

/** The guard within the resolver: input is parsed before it, as it is for ours. */
function trpcRoad(guard: Guard) {
  const t = initTRPC.context<Context>().create();
  const router = t.router({
    create: t.procedure.input(thingInput).mutation(async ({ ctx, input }) => {
      const { status, body } = await guard.run(ctx.key, input);
      if (status < 300) return body;
      throw new TRPCError({ code: codeOf(status), message: JSON.stringify(body) });
    }),
  });
  return createHTTPHandler({
    router,
    basePath: '/trpc/',
    createContext: ({ req }): Context => ({ key: req.headers['idempotency-key'] as string | undefined }),
  });
}

function codeOf(status: number): TRPCError['code'] {
  if (status === 409) return 'CONFLICT';
  if (status === 422) return 'UNPROCESSABLE_CONTENT';
  return status < 500 ? 'BAD_REQUEST' : 'INTERNAL_SERVER_ERROR';
}
