import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  createProblem,
  type IdempotencyKey,
  type IdempotencyProblem,
  type ProblemCode,
  parseKeyHeader,
  parseKeyListHeader,
  serializeReplayed,
  unwrapInput,
} from '@semel/contract/v1/pure';
import { initTRPC, TRPCError } from '@trpc/server';
import { createHTTPHandler } from '@trpc/server/adapters/standalone';
import { applyWSSHandler } from '@trpc/server/adapters/ws';
import superjson from 'superjson';
import { WebSocketServer } from 'ws';
import { z } from 'zod';

class ProblemError extends Error {
  readonly problem: IdempotencyProblem;
  constructor(code: ProblemCode, retryAfterMs?: number) {
    super(code);
    this.problem = createProblem(code, retryAfterMs === undefined ? {} : { retryAfterMs });
  }
}

export interface Context {
  keys: (IdempotencyKey | undefined)[];
  calls: number;
  replayed: number[];
}

/** What is kept of an operation. */
interface Kept {
  state: 'processing' | 'accepted' | 'completed' | 'failed';
  answer?: { data: unknown } | { error: TRPCError };
  operationId: string;
}

/** Comes between the wire and tRPC; says whether it has dealt with the request. */
export type Fault = (req: IncomingMessage, res: ServerResponse, handle: () => void) => void;

const body =
  (status: number, headers: Record<string, string>, text: string): Fault =>
  (req, res) => {
    req.resume();
    res.writeHead(status, headers).end(text);
  };

/** What happens between a client and a server. */
export const faults = {
  html502: body(502, { 'content-type': 'text/html' }, '<html>Bad Gateway</html>'),
  empty500: body(500, {}, ''),
  busy503: body(503, { 'retry-after': '0' }, 'busy'),
  json429: body(429, { 'content-type': 'application/json', 'retry-after': '0' }, '{"message":"slow down"}'),
  html401: body(401, { 'content-type': 'text/html' }, '<html>log in</html>'),
  /** The request is read, and the socket dies: nothing was run. */
  cutBefore: ((req) => {
    req.resume().on('end', () => req.socket.destroy());
  }) as Fault,
  /** Everything is run, and the answer is lost on the way. */
  cutAfter: ((req, res, handle) => {
    res.end = (() => {
      req.socket.destroy();
      return res;
    }) as never;
    res.write = (() => true) as never;
    handle();
  }) as Fault,
  /** Half of the body arrives. */
  cutBody: ((req, res) => {
    req.resume();
    res.writeHead(200, { 'content-type': 'application/json', 'content-length': '500' });
    res.write('[{"result":{"da', () => req.socket.destroy());
  }) as Fault,
  /** Never answers. */
  silence: ((req) => {
    req.resume();
  }) as Fault,
};

/** A tRPC server over real HTTP and WebSocket, with an idempotent procedure just good enough to count what ran. */
export async function startServer() {
  const executions: { path: string; key: string }[] = [];
  const requests: { url: string; headers: IncomingMessage['headers'] }[] = [];
  const queue: Fault[] = [];
  const kept = new Map<string, Kept>();
  let gate: Promise<void> | undefined;
  let payoutsDone = false;

  const t = initTRPC.context<Context>().create({
    transformer: superjson,
    errorFormatter: ({ shape, error }) =>
      error.cause instanceof ProblemError
        ? { ...shape, data: { ...shape.data, idempotency: error.cause.problem } }
        : shape,
  });
  const fail = (code: TRPCError['code'], problem: ProblemCode, retryAfterMs?: number): never => {
    throw new TRPCError({ code, message: problem, cause: new ProblemError(problem, retryAfterMs) });
  };
  const keyed = t.procedure.use(async ({ ctx, path, batchIndex, getRawInput, next }) => {
    const unwrapped = unwrapInput(await getRawInput());
    const key = unwrapped.enveloped ? unwrapped.ok && unwrapped.key : ctx.keys[batchIndex];
    if (!key) return fail('BAD_REQUEST', 'key_missing');
    const name = `${path} ${key.key}`;
    const known = kept.get(name);
    if (known?.answer) {
      ctx.replayed.push(batchIndex);
      if ('error' in known.answer) throw known.answer.error;
      return { ok: true, data: known.answer.data, marker: 'middlewareMarker' } as never;
    }
    if (known?.state === 'processing') fail('CONFLICT', 'in_flight', 5);
    const record: Kept = { state: 'processing', operationId: `op-${name}` };
    kept.set(name, record);
    executions.push({ path, key: key.key });
    const inner = unwrapped.enveloped && unwrapped.ok ? unwrapped.input : undefined;
    const result = unwrapped.enveloped ? await next({ getRawInput: async () => inner }) : await next();
    if (result.ok) record.answer = { data: result.data };
    else if (result.error.code === 'INTERNAL_SERVER_ERROR') kept.delete(name);
    else record.answer = { error: result.error };
    return result;
  });

  let flaky = 0;
  const order = z.object({ sku: z.string(), at: z.date().optional() });
  const router = t.router({
    orders: {
      create: keyed.input(order).mutation(async ({ input }) => {
        if (gate) await gate;
        return { id: `order-${executions.length}`, sku: input.sku, at: input.at };
      }),
    },
    cards: {
      charge: keyed.input(order).mutation((): { ok: boolean } => {
        throw new TRPCError({ code: 'PAYMENT_REQUIRED', message: 'card_declined' });
      }),
    },
    flaky: keyed.input(z.object({ failures: z.number() })).mutation(({ input }) => {
      if (flaky++ < input.failures) throw new Error('deadlock');
      return { after: flaky };
    }),
    trouble: t.procedure
      .input(z.custom<{ code: ProblemCode; trpc: TRPCError['code'] }>())
      .mutation(({ input }): { never: true } => fail(input.trpc, input.code)),
    /** 202 until `finishPayouts` is called. */
    payouts: {
      create: t.procedure.input(order).mutation(({ ctx, path, input, batchIndex = 0 }) => {
        const key = ctx.keys[batchIndex]?.key ?? '';
        const name = `${path} ${key}`;
        if (!kept.has(name)) {
          kept.set(name, { state: 'accepted', operationId: `op-${key}` });
          executions.push({ path, key });
        }
        const record = kept.get(name) as Kept;
        if (payoutsDone) record.state = 'completed';
        const output = { id: 'payout-1', at: input.at };
        return record.state === 'completed'
          ? output
          : ({
              $idempotency: 'accepted',
              operationId: record.operationId,
              pollAfterMs: 1,
            } as never as typeof output);
      }),
    },
    idempotency: {
      status: t.procedure
        .input(
          z.union([
            z.object({ operationId: z.string() }),
            z.object({ procedure: z.string(), key: z.string() }),
          ]),
        )
        .query(({ input }) => {
          const record =
            'key' in input
              ? kept.get(`${input.procedure} ${input.key}`)
              : [...kept.values()].find(({ operationId }) => operationId === input.operationId);
          if (record && payoutsDone) record.state = 'completed';
          const answer = record?.answer;
          const state = answer ? ('error' in answer ? 'failed' : 'completed') : record?.state;
          return { operationId: record?.operationId, state: state ?? 'not_found', retryAfterMs: 1 };
        }),
    },
    ping: t.procedure.query(() => 'pong'),
    unkeyed: t.procedure.mutation(({ ctx }) => ctx.keys.map((key) => key?.key ?? null)),
  });

  const keysOf = (headers: IncomingMessage['headers']): (IdempotencyKey | undefined)[] => {
    const one = headers['idempotency-key'];
    const many = headers['idempotency-keys'];
    const parsed =
      typeof one === 'string'
        ? parseKeyHeader(one)
        : typeof many === 'string'
          ? parseKeyListHeader(many)
          : undefined;
    if (!parsed) return [];
    if (!parsed.ok) throw new TRPCError({ code: 'BAD_REQUEST', message: parsed.reason });
    return 'keys' in parsed ? parsed.keys : [parsed.key];
  };
  const handler = createHTTPHandler({
    router,
    createContext: ({ req, info }): Context => {
      const keys = keysOf(req.headers);
      if (keys.length > 0 && keys.length !== info.calls.length) {
        throw new TRPCError({ code: 'BAD_REQUEST', message: 'one key for each call' });
      }
      return { keys, calls: info.calls.length, replayed: [] };
    },
    responseMeta: ({ ctx }) => {
      const mark = ctx && serializeReplayed(ctx.replayed, ctx.calls);
      return mark ? { headers: { 'Idempotency-Replayed': mark } } : {};
    },
  });

  const http = createServer((req, res) => {
    requests.push({ url: req.url ?? '', headers: req.headers });
    const handle = () => handler(req, res);
    const fault = queue.shift();
    if (fault) fault(req, res, handle);
    else handle();
  });
  const wss = new WebSocketServer({ server: http });
  applyWSSHandler({ wss, router, createContext: (): Context => ({ keys: [], calls: 0, replayed: [] }) });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as AddressInfo;

  return {
    router,
    url: `http://127.0.0.1:${port}`,
    wsUrl: `ws://127.0.0.1:${port}`,
    executions,
    requests,
    sockets: wss.clients,
    /** Deals with the next requests, one each. */
    fail: (...next: Fault[]) => void queue.push(...next),
    /** Holds handlers until the returned function is called. */
    hold() {
      let release = () => {};
      gate = new Promise((resolve) => {
        release = resolve;
      });
      return () => {
        gate = undefined;
        release();
      };
    },
    finishPayouts() {
      payoutsDone = true;
    },
    /** The keys that a header of each request names. */
    keysSent: () => requests.map(({ headers }) => headers['idempotency-key'] ?? headers['idempotency-keys']),
    async [Symbol.asyncDispose]() {
      for (const socket of wss.clients) socket.terminate();
      wss.close();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

export type TestServer = Awaited<ReturnType<typeof startServer>>;
export type TestRouter = TestServer['router'];
