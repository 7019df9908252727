import {
  type IdempotencyProblem,
  problemRow,
  retryAfterSeconds,
  serializeReplayed,
} from '@semel/contract/v1/pure';
import { type HttpHandler, HttpResponse, http } from 'msw';
import { keysOf } from './keys.ts';
import type { Operations, Told } from './operations.ts';

/** As tRPC's `transformer`: superjson is one. */
export interface DataTransformer {
  serialize(value: unknown): unknown;
  deserialize(value: never): unknown;
}

export interface TrpcMocks {
  /** Where the tRPC server is: `https://api.example.com/trpc`. */
  readonly url: string;
  /** The one that the client has. @default none */
  readonly transformer?: DataTransformer;
  /** What mutations answer, by path: `'orders.create': (input) => ({ id: 'o-1' })`. */
  // biome-ignore lint/suspicious/noExplicitAny: whoever writes a handler knows what its client sends
  readonly mutations: Readonly<Record<string, (input: any) => unknown>>;
  /** @default 'idempotency.status' */
  readonly statusPath?: string;
}

/** JSON-RPC's codes, as tRPC writes them. */
const CODES: Readonly<Record<number, readonly [code: string, rpc: number]>> = {
  400: ['BAD_REQUEST', -32600],
  401: ['UNAUTHORIZED', -32001],
  402: ['PAYMENT_REQUIRED', -32002],
  403: ['FORBIDDEN', -32003],
  404: ['NOT_FOUND', -32004],
  409: ['CONFLICT', -32009],
  422: ['UNPROCESSABLE_CONTENT', -32022],
  429: ['TOO_MANY_REQUESTS', -32029],
  503: ['SERVICE_UNAVAILABLE', -32603],
};

interface Part {
  readonly status: number;
  readonly body: object;
  readonly told?: Told<unknown>;
}

export function trpcHandlers(
  { url, transformer, mutations, statusPath = 'idempotency.status' }: TrpcMocks,
  operations: Operations,
  retryAfterMs: number,
): HttpHandler[] {
  const base = url.replace(/\/$/, '');
  const out = (value: unknown) => (transformer === undefined ? value : transformer.serialize(value));
  const read = (value: unknown) =>
    transformer === undefined || value === undefined ? value : transformer.deserialize(value as never);
  const done = (data: unknown, told?: Told<unknown>): Part => ({
    status: 200,
    body: { result: { data: out(data) } },
    ...(told && { told }),
  });
  const failed = (status: number, message: string, path: string, problem?: IdempotencyProblem): Part => {
    const [code, rpc] = CODES[status] ?? ['INTERNAL_SERVER_ERROR', -32603];
    const data = { code, httpStatus: status, path, ...(problem && { idempotency: problem }) };
    return { status, body: { error: out({ message, code: rpc, data }) } };
  };

  function partOf(told: Told<unknown>, path: string): Part {
    switch (told.kind) {
      case 'done':
        return done(told.value, told);
      case 'accepted': {
        const { operationId } = told;
        return done({ $idempotency: 'accepted', operationId, pollAfterMs: retryAfterMs }, told);
      }
      case 'refused':
        return { ...failed(told.error.status, told.error.message, path), told };
      case 'problem': {
        const { httpStatus, title } = problemRow(told.problem.code);
        return { ...failed(httpStatus, `${told.problem.code}: ${title}`, path, told.problem), told };
      }
      case 'lost':
        throw new TypeError('a lost answer is no part');
    }
  }

  const mutation = http.post(`${base}/*`, async ({ request }) => {
    const { pathname, searchParams } = new URL(request.url);
    const paths = decodeURIComponent(pathname.slice(new URL(base).pathname.length + 1)).split(',');
    const batch = searchParams.has('batch');
    if (!paths.some((path) => Object.hasOwn(mutations, path))) return undefined;
    const body = await request.json().catch(() => undefined);
    const inputs = paths.map((_, index) =>
      read(batch ? (body as Record<string, unknown>)[index] : (body as unknown)),
    );
    const keys = keysOf(request.headers, inputs);
    const scope = request.headers.get('authorization') ?? '';
    const tolds = await Promise.all(
      paths.map(async (path, index): Promise<Told<unknown> | undefined> => {
        const mock = Object.hasOwn(mutations, path) ? mutations[path] : undefined;
        const of = keys[index];
        if (mock === undefined || of === undefined) return undefined;
        if ('problem' in of) return { kind: 'problem', problem: of.problem };
        const { key, input } = of;
        return operations.ask({ name: path, scope, key, input, run: () => mock(input) });
      }),
    );
    // One connection carries all of a batch: they are lost together.
    if (tolds.some((told) => told?.kind === 'lost')) return HttpResponse.error();
    const parts = tolds.map((told, index) => {
      const path = paths[index] as string;
      return told === undefined
        ? failed(404, `No procedure found on path "${path}"`, path)
        : partOf(told, path);
    });
    const [only] = tolds;
    if (only?.kind !== 'accepted' || tolds.length > 1) return answerFrom(parts, batch);
    const input = encodeURIComponent(JSON.stringify(out({ operationId: only.operationId })));
    return answerFrom(parts, batch, {
      Location: `${statusPath}?input=${input}`,
      'Retry-After': `${retryAfterSeconds(retryAfterMs)}`,
    });
  });

  const status = http.get(`${base}/${statusPath}`, async ({ request }) => {
    const { searchParams } = new URL(request.url);
    const batch = searchParams.has('batch');
    const text = JSON.parse(searchParams.get('input') ?? 'null');
    const { operationId } = read(batch ? text[0] : text) as { operationId: string };
    const found = await operations.status(operationId);
    return answerFrom([done({ ...found, retryAfterMs })], batch);
  });
  return [mutation, status];
}

/** @param ofAccepted headers of a single call's 202; in a batch the body alone says that one was accepted */
function answerFrom(
  parts: readonly Part[],
  batch: boolean,
  ofAccepted?: Readonly<Record<string, string>>,
): Response {
  const statuses = new Set(parts.map(({ status }) => status));
  const [first = 200] = statuses;
  const status = ofAccepted === undefined ? first : 202;
  const headers: Record<string, string> = { 'Cache-Control': 'private, no-store', ...ofAccepted };
  const replayed = parts.flatMap(({ told }, index) =>
    told !== undefined && 'replayed' in told && told.replayed ? [index] : [],
  );
  const mark = serializeReplayed(replayed, parts.length);
  if (mark !== undefined) headers['Idempotency-Replayed'] = mark;
  const [only] = parts;
  if (parts.length === 1 && only?.told !== undefined) Object.assign(headers, headersOf(only.told));
  const bodies = parts.map(({ body }) => body);
  return HttpResponse.json(batch ? bodies : bodies[0], {
    status: statuses.size === 1 ? status : 207,
    headers,
  });
}

/** What a single call's answer says in its headers. */
export function headersOf(told: Told<unknown>): Record<string, string> {
  const headers: Record<string, string> = {};
  if (told.kind === 'done' || told.kind === 'accepted') headers['Idempotency-Operation'] = told.operationId;
  const wait = told.kind === 'problem' ? told.problem.retryAfterMs : undefined;
  if (wait !== undefined) headers['Retry-After'] = `${retryAfterSeconds(wait)}`;
  return headers;
}
