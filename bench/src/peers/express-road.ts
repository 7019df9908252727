import type { RequestListener } from 'node:http';
import express, { type Middleware, type Request } from 'express';
import { openThings, type ThingInput, type Things, thingInput } from '../things.ts';
import { listen } from './listen.ts';
import type { Peer, Services } from './peer.ts';

/** What a peer adds to an Express application, and how its handler knows that it need not run. */
export interface Mounted {
  readonly middleware: readonly Middleware[];
  isAnswered(req: Request): boolean;
  close?(): Promise<void>;
}

/** A peer that is Express middleware: it is compared with the bare handler on Express. */
export function onExpress(
  facts: Omit<Peer, 'listen'>,
  mount: (services: Services) => Promise<Mounted>,
): Peer {
  return {
    ...facts,
    async listen(services) {
      const things = await openThings(services.postgres, services.armed);
      const mounted = await mount(services);
      const app = application(things, mounted);
      const server = await listen(app);
      return {
        url: server.url,
        async close() {
          await server.close();
          await mounted.close?.();
          await things.close();
        },
      };
    },
  };
}

function application(things: Things, { middleware, isAnswered }: Mounted): RequestListener {
  const app = express();
  app.use(express.json());
  app.get('/effects', async (req, res) => {
    res.status(200).send({ count: await things.count(String(req.query.reference)) });
  });
  for (const each of middleware) app.use(each);
  app.post('/things', async (req, res) => {
    if (isAnswered(req)) return;
    const input = thingInput.safeParse(req.body);
    if (!input.success) res.status(400).send({ message: 'not a thing' });
    else res.status(201).send(await things.create(input.data satisfies ThingInput));
  });
  return app;
}
