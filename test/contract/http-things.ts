import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createSemel } from '@semel/server';
import {
  CORS_ALLOW_HEADERS,
  exposeIdempotencyHeaders,
  httpIdempotency,
  type RouteCall,
  type RoutePolicy,
  toNodeHandler,
} from '@semel/server/http';
import type { Store } from '@semel/server/store';
import type { ContractTarget, Payload } from '@semel/testing';
import { createMaker, type Mode, ORIGIN, payloadInput, type Thing } from './things.ts';
import type { World } from './world.ts';

const bytes = new Uint8Array(Array.from({ length: 256 }, (_, byte) => byte));
const json = (text: string) => new Response(text, { headers: { 'content-type': 'application/json' } });

const ANSWERS: Readonly<Record<string, (thing: Thing) => Response>> = {
  created: (thing) => Response.json(thing, { status: 201, headers: { location: `/things/${thing.id}` } }),
  empty: () => new Response(null),
  'no-content': () => new Response(null, { status: 204 }),
  null: () => json('null'),
  zero: () => json('0'),
  false: () => json('false'),
  'empty-string': () => json('""'),
  text: ({ id }) => new Response(`thing ${id}`),
  binary: () => new Response(bytes, { headers: { 'content-type': 'application/octet-stream' } }),
  cookie: (thing) => Response.json(thing, { headers: { 'set-cookie': `sid=${thing.id}` } }),
  redirect: ({ id }) => new Response(null, { status: 303, headers: { location: `/things/${id}` } }),
  large: (thing) => Response.json({ ...thing, filling: 'x'.repeat(20_000) }),
};

const answering = {
  done: (thing: Thing, { answer }: Payload): Response =>
    answer === undefined ? Response.json(thing) : (ANSWERS[answer]?.(thing) as Response),
  refused: (): Response => Response.json({ message: 'declined', id: crypto.randomUUID() }, { status: 402 }),
};

/** Guards and parsers of the route: what is no payload is refused before anything is claimed. */
async function admit(request: Request): Promise<Payload | Response> {
  if (request.headers.get('content-type')?.split(';')[0] !== 'application/json') {
    return { reference: '(raw)', amount: 1 };
  }
  const parsed = payloadInput.safeParse(await request.json().catch(() => undefined));
  return parsed.success ? parsed.data : Response.json({ message: 'no payload' }, { status: 400 });
}

export type FetchHandler = (request: Request) => Promise<Response>;

/** The application behind every framework: three routes and the status, for one of a world's stores. */
export function createThingsApp<Tx>(
  world: World<Tx>,
  store: Store<Tx>,
  mode: Mode,
  policy: Partial<RoutePolicy> = {},
): { readonly handle: FetchHandler; close(): Promise<void> } {
  const semel = createSemel({ store, recovery: false });
  const idempotent = httpIdempotency({
    semel,
    scope: (request: Request) => request.headers.get('authorization')?.replace('Bearer ', ''),
    docs: 'https://docs.example/problems',
  });
  const make = createMaker(world, mode, answering);
  const route = (name: string, key: 'required' | 'optional') =>
    idempotent(
      { mode, key, name, maxOutcomeBytes: 10_000, ...policy, admit },
      async (_request, { operation, admitted }: RouteCall<Tx, Payload>) =>
        (await make(operation, admitted)) as Response,
    );
  const routes: Readonly<Record<string, FetchHandler>> = {
    '/things': route('things.create', 'required'),
    '/other': route('things.other', 'required'),
    '/optional': route('things.optional', 'optional'),
  };
  const status = idempotent.status();
  const handle = exposeIdempotencyHeaders(async (request) => {
    const { pathname } = new URL(request.url);
    if (request.method === 'OPTIONS') return preflight();
    if (pathname.startsWith('/idempotency/operations')) return status(request);
    return routes[pathname]?.(request) ?? new Response(null, { status: 404 });
  });
  return { handle, close: () => semel.close() };
}

const preflight = (): Response =>
  new Response(null, {
    status: 204,
    headers: {
      'access-control-allow-origin': ORIGIN,
      'access-control-allow-headers': ['content-type', 'authorization', ...CORS_ALLOW_HEADERS].join(', '),
    },
  });

/** What listens with a fetch handler. */
export type Listen = (handle: FetchHandler) => Promise<{ readonly url: string; close(): Promise<void> }>;

const listenWithNode: Listen = async (handle) => {
  const server = createServer(toNodeHandler(handle, { onError: () => {} }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};

/** Two servers on one world, and how the suite asks them. */
export async function startHttpThings<Tx>(
  world: World<Tx>,
  mode: Mode,
  policy: Partial<RoutePolicy> = {},
  listen: Listen = listenWithNode,
): Promise<{ readonly target: ContractTarget; close(): Promise<void> }> {
  const apps = world.stores.map((store) => createThingsApp(world, store, mode, policy));
  const servers = await Promise.all(apps.map(({ handle }) => listen(handle)));
  const [first, second] = servers as [Awaited<ReturnType<Listen>>, Awaited<ReturnType<Listen>>];
  return {
    target: {
      url: first.url,
      secondUrl: second.url,
      path: '/things',
      otherPath: '/other',
      optionalPath: '/optional',
      principals: [{ authorization: 'Bearer alice' }, { authorization: 'Bearer bob' }],
      status: { path: '/idempotency/operations', procedure: 'things.create' },
      origin: ORIGIN,
      countEffects: world.count,
      breakStore: world.breakStore,
      ...(world.expire && { expire: world.expire }),
    },
    async close() {
      for (const server of servers) await server.close();
      for (const app of apps) await app.close();
      await world.close();
    },
  };
}
