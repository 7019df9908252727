import { httpIdempotency, toNodeHandler } from '@semel/server/http';
import { listen } from '../peers/listen.ts';
import type { Peer, Running, Services } from '../peers/peer.ts';
import { plainRoad } from '../peers/plain-road.ts';
import { thingInput } from '../things.ts';
import { openSemel } from './open-semel.ts';

/** A plain route of ours on node:http, through the Fetch adapter. */
export const semelHttp: Peer = {
  name: 'semel-http',
  version: 'this repository',
  promises: 'as semel-atomic, for a route without tRPC',
  configuration: "@semel/server/http, mode: 'atomic', all else at its default",
  durable: true,
  async listen(services: Services): Promise<Running> {
    const { semel, things, close } = await openSemel(services);
    const idempotent = httpIdempotency({ semel, scope: () => 'bench' });
    const create = toNodeHandler(
      idempotent({ name: 'create', mode: 'atomic' }, async (request, { operation }) => {
        const input = thingInput.safeParse(await request.json().catch(() => undefined));
        return input.success
          ? Response.json(await things.create(input.data, operation.tx), { status: 201 })
          : Response.json({ message: 'not a thing' }, { status: 400 });
      }),
    );
    const others = plainRoad(things, async () => ({ status: 404, body: {} }));
    const server = await listen(
      (req, res) => (req.url === '/things' ? create : others)(req, res),
      services.maxInFlight,
    );
    return {
      url: server.url,
      async close() {
        await server.close();
        await close();
      },
    };
  },
};
