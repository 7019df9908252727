import { fingerprint } from '@semel/contract/v1/pure';
import type { IdempotencyPolicy, Operation } from '@semel/server';
import { createOutcomeCodec, policyFrom } from '@semel/server/adapter';
import {
  type IdempotencyContext,
  type IdempotencyMeta,
  idempotencyContext,
  trpcIdempotency,
} from '@semel/server/trpc';
import { initTRPC } from '@trpc/server';
import { createHTTPHandler } from '@trpc/server/adapters/standalone';
import type pg from 'pg';
import { listen } from '../peers/listen.ts';
import type { Peer, Running, Services } from '../peers/peer.ts';
import { plainRoad } from '../peers/plain-road.ts';
import { type Thing, type ThingInput, thingInput } from '../things.ts';
import { type InFront, openSemel } from './open-semel.ts';

type Tx = pg.ClientBase;
type Effect = (input: ThingInput, operation: Operation<Tx>, create: Create) => Promise<Thing>;
type Create = (input: ThingInput, tx?: Tx) => Promise<Thing>;

/** A tRPC procedure of ours with the handler of all, on the Postgres store; called in process it is the engine alone. */
export function semelOnTrpc(
  facts: Pick<Peer, 'name' | 'promises' | 'configuration'>,
  policyOf: (lockMs: number | undefined) => IdempotencyPolicy,
  effect: Effect,
  layersOf?: (services: Services) => InFront,
): Peer {
  return {
    ...facts,
    version: 'this repository',
    durable: true,
    async listen(services: Services): Promise<Running> {
      const { semel, things, close } = await openSemel(services, layersOf?.(services));
      const policy = policyOf(services.lockMs);
      const handler = (input: ThingInput) => (operation: Operation<Tx>) =>
        effect(input, operation, things.create);

      interface Context {
        readonly idempotency: IdempotencyContext;
        readonly user: string;
      }
      const t = initTRPC.context<Context>().meta<IdempotencyMeta>().create();
      const idempotent = trpcIdempotency({ semel, scope: (ctx: Context) => ctx.user });
      const router = t.router({
        create: idempotent(t.procedure)
          .meta({ idempotency: policy })
          .input(thingInput)
          .mutation(({ ctx, input }) => handler(input)(ctx.operation)),
      });
      const trpc = createHTTPHandler({
        router,
        basePath: '/trpc/',
        createContext: ({ req, info }): Context => ({
          idempotency: idempotencyContext({ req, info }),
          user: 'bench',
        }),
        responseMeta: idempotent.responseMeta,
      });

      const recorded = policyFrom(policy);
      const outcomes = createOutcomeCodec();
      const failures = {
        statusOf: () => undefined,
        describe: () => ({ httpStatus: 500, code: 'INTERNAL', message: 'failed' }),
      };
      const call: NonNullable<Running['call']> = async (key, input) => {
        const result = await semel.engine.run(
          {
            scope: 'bench',
            procedure: 'create',
            key,
            ageMs: undefined,
            fingerprint: fingerprint('create', input),
            policy: recorded,
            failures,
            outcomes,
            trace: { actor: 'request' },
          },
          handler(input),
        );
        return result.kind === 'completed'
          ? { status: 201, body: result.value }
          : { status: 409, body: result.kind };
      };

      const plain = plainRoad(things, (key = '', input) => call(key, input));
      const server = await listen(
        (req, res) => (req.url?.startsWith('/trpc/') ? trpc : plain)(req, res),
        services.maxInFlight,
      );
      return {
        url: server.url,
        call,
        async close() {
          await server.close();
          await close();
        },
      };
    },
  };
}
