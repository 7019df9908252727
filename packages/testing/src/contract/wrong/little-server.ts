import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  CORS_ALLOW_HEADERS,
  CORS_EXPOSE_HEADERS,
  createProblem,
  type ProblemCode,
  parseContractHeader,
  problemRow,
  retryAfterSeconds,
} from '@semel/contract/v1/pure';
import type { Capabilities } from '../capabilities.ts';
import { ANSWER_KINDS, FAILURE_KINDS, type Payload } from '../payload.ts';
import type { ContractTarget } from '../target.ts';
import { createEffects, handle } from './little-handler.ts';
import { type Kept, RIGHT, type Rules } from './little-rules.ts';

interface Operation {
  readonly operationId: string;
  readonly principal: string;
  readonly fingerprint: string;
  readonly key: string;
  kept?: Kept;
}

const LARGEST = 50_000;
const QUEUED = '/queued';
const ROUTES = ['/things', '/other', '/optional', QUEUED];
const POLL_MS = 50;
const PRINCIPALS = ['Bearer alice', 'Bearer bob'];
const ORIGIN = 'https://shop.example';

/** The error of a refused request. */
class Refused extends Error {
  readonly code: ProblemCode;
  constructor(code: ProblemCode) {
    super(code);
    this.code = code;
  }
}

/**
 * A server of idempotent requests in a few functions and a Map: right unless told otherwise. By it the suite is
 * measured. It forgets everything at its end, so it is no model of a real one.
 */
export async function startLittleServer(change: Partial<Rules> = {}): Promise<{
  readonly target: ContractTarget;
  readonly capabilities: Capabilities;
  close(): Promise<void>;
}> {
  const rules: Rules = { ...RIGHT, ...change };
  const effects = createEffects();
  let operations = new Map<string, Operation>();
  let away = false;

  async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const url = new URL(req.url ?? '/', 'http://localhost');
    res.setHeader('access-control-allow-origin', ORIGIN);
    res.setHeader('access-control-expose-headers', CORS_EXPOSE_HEADERS.join(', '));
    if (req.method === 'OPTIONS') {
      const allowed = ['content-type', ...CORS_ALLOW_HEADERS].join(', ');
      res.writeHead(204, { 'access-control-allow-headers': allowed }).end();
      return;
    }
    res.setHeader('cache-control', rules.cacheControl);
    if (url.pathname.startsWith('/idempotency/operations')) return status(req, res, url);
    if (!ROUTES.includes(url.pathname)) return void res.writeHead(404).end();
    const arrived = await admit(req, url);
    await perform(req, res, arrived, arrived?.bytes ?? (await read(req)));
  }

  /** Everything that may be refused before a record is touched; nothing where a request goes on without a key. */
  async function admit(req: IncomingMessage, url: URL) {
    const contract = req.headers['idempotency-contract'];
    if (parseContractHeader(contract as string | undefined) === undefined) {
      throw new Refused('contract_unsupported');
    }
    const read_ = rules.readKey(req);
    if ('problem' in read_) {
      if (read_.problem === 'key_missing' && url.pathname === '/optional') return undefined;
      throw new Refused(read_.problem);
    }
    const principal = req.headers.authorization ?? '';
    if (!PRINCIPALS.includes(principal)) throw new Denied(401);
    const type = req.headers['content-type'] ?? '';
    const bytes = await read(req);
    const arrived = { principal, path: url.pathname, query: url.search, key: read_.key, type, bytes };
    return { ...arrived, ...(read_.ageMs !== undefined && { ageMs: read_.ageMs }) };
  }

  type Admitted = NonNullable<Awaited<ReturnType<typeof admit>>>;

  async function perform(
    req: IncomingMessage,
    res: ServerResponse,
    arrived: Admitted | undefined,
    bytes: Buffer,
  ): Promise<void> {
    const payloadOf = () => payloadFrom(req.headers['content-type'] ?? '', bytes);
    if (rules.validatesFirst) payloadOf();
    const gone = new AbortController();
    if (!rules.survivesHangUp) res.once('close', () => !res.writableFinished && gone.abort());
    if (arrived === undefined) return send(res, await handle(payloadOf(), effects, gone.signal));

    if (rules.isHit(req)) return; // it waits for an answer that nobody sends
    if (away && rules.failsClosed) throw new Refused('store_unavailable');
    if (away) return send(res, await handle(payloadOf(), effects, gone.signal));
    const identity = rules.identity(arrived);
    const fingerprint = rules.fingerprint(arrived);
    const found = operations.get(identity);
    const pause = rules.beforeClaim();
    if (pause !== undefined) await pause;
    const queued = arrived.path === QUEUED;
    if (found !== undefined) {
      if (queued && found.fingerprint === fingerprint && (found.kept === undefined || !rules.queueEnds)) {
        if (rules.queuedAgain === 'conflict') throw new Refused('in_flight');
        if (rules.queuedAgain === 'runs') void work(found, payloadOf());
        return accepted(res, found.operationId);
      }
      const replayed = replay(found, fingerprint);
      if (replayed !== undefined) return send(res, replayed, found.operationId);
    } else if ((arrived.ageMs ?? 0) > 24 * 3_600_000 - 300_000) throw new Refused('key_expired');
    const { principal, key } = arrived;
    const operationId = randomBytes(16).toString('base64url');
    const operation: Operation = { operationId, principal, fingerprint, key };
    operations.set(identity, operation);
    if (queued) {
      void work(operation, payloadOf());
      return accepted(res, operationId);
    }
    const answer = await handle(payloadOf(), effects, gone.signal);
    const kept = rules.keep(answer);
    if (kept === undefined) operations.delete(identity);
    else operation.kept ??= kept;
    send(res, answer, operation.operationId);
  }

  /** What a worker does, after the caller has been told. */
  async function work(operation: Operation, payload: Payload): Promise<void> {
    for (;;) {
      const kept = rules.keep(await handle(payload, effects, new AbortController().signal));
      if (kept !== undefined) operation.kept ??= kept;
      if (kept !== undefined || !rules.retriesQueued) return;
    }
  }

  function accepted(res: ServerResponse, operationId: string): void {
    const body = Buffer.from(JSON.stringify({ $idempotency: 'accepted', operationId, pollAfterMs: POLL_MS }));
    const headers = {
      'content-type': 'application/json',
      'retry-after': `${retryAfterSeconds(POLL_MS)}`,
      ...(rules.saysWhere && { location: `/idempotency/operations/${operationId}` }),
    };
    send(res, { status: 202, headers, body }, operationId);
  }

  /** The kept answer, marked; nothing where the handler has to run. */
  function replay(found: Operation, fingerprint: string): Kept | undefined {
    if (found.fingerprint !== fingerprint && rules.refusesOthers) return refuse(found, 'key_reused');
    if (found.kept === undefined) return refuse(found, 'in_flight');
    if (found.kept.body.length > LARGEST) throw new Refused('outcome_gone');
    const answer = rules.replay(found.kept);
    return answer && { ...answer, headers: { ...answer.headers, 'idempotency-replayed': 'true' } };
  }

  function refuse(found: Operation, code: ProblemCode): never {
    if (rules.keepsRefusals) {
      const { httpStatus, ...row } = problemRow(code);
      const body = Buffer.from(JSON.stringify({ ...row, ...createProblem(code) }));
      found.kept = { status: httpStatus, headers: { 'content-type': 'application/problem+json' }, body };
    }
    throw new Refused(code);
  }

  function status(req: IncomingMessage, res: ServerResponse, url: URL): void {
    const id = url.pathname.split('/')[3];
    const key = (req.headers['idempotency-key'] ?? '').toString().replaceAll('"', '');
    const found = [...operations.values()].find(
      (each) =>
        (!rules.statusScoped || each.principal === req.headers.authorization) &&
        (id === undefined ? each.key === key : each.operationId === id),
    );
    const body =
      found === undefined
        ? { state: 'not_found' }
        : {
            operationId: found.operationId,
            procedure: '/things',
            state: found.kept === undefined ? 'processing' : 'completed',
            ...(found.kept === undefined && { retryAfterMs: POLL_MS }),
            transitions: ['enqueued', 'started', 'succeeded'].map((cause) => ({ cause })),
          };
    res.writeHead(found === undefined ? 404 : 200, { 'content-type': 'application/json' });
    res.end(JSON.stringify(body));
  }

  const server = createServer((req, res) => {
    answer(req, res).catch((error: unknown) => fail(res, error));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    target: {
      url: `http://127.0.0.1:${port}`,
      path: '/things',
      otherPath: '/other',
      optionalPath: '/optional',
      queuedPath: QUEUED,
      principals: [{ authorization: 'Bearer alice' }, { authorization: 'Bearer bob' }],
      countEffects: async (reference) => effects.count(reference),
      status: { path: '/idempotency/operations', procedure: '/things' },
      origin: ORIGIN,
      expire: async () => {
        operations = new Map();
      },
      async breakStore() {
        away = true;
        return async () => {
          away = false;
        };
      },
      // A second request must meet the first one on a machine that is busy, too.
      slowMs: 1000,
      timeoutMs: 5000,
    },
    capabilities: {
      slowHandler: true,
      memo: true,
      rawBodies: true,
      cors: true,
      inFlight: 'conflict',
      answers: ANSWER_KINDS,
      failures: FAILURE_KINDS,
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Refused for another reason than its key. */
class Denied extends Error {
  readonly status: number;
  constructor(status: number) {
    super(String(status));
    this.status = status;
  }
}

function send(res: ServerResponse, { status, headers, body }: Kept, operationId?: string): void {
  const named = operationId === undefined ? {} : { 'idempotency-operation': operationId };
  const length = status === 204 ? {} : { 'content-length': body.length };
  res.writeHead(status, { ...headers, ...named, ...length }).end(body);
}

function fail(res: ServerResponse, error: unknown): void {
  if (res.headersSent) return void res.destroy();
  if (!(error instanceof Refused)) {
    const status = error instanceof Denied ? error.status : 500;
    return void res.writeHead(status, { 'content-type': 'application/json' }).end('{}');
  }
  const { httpStatus, title, type } = problemRow(error.code);
  const problem = createProblem(error.code);
  const wait = problem.retryAfterMs;
  res.writeHead(httpStatus, {
    'content-type': 'application/problem+json',
    ...(wait !== undefined && { 'retry-after': `${retryAfterSeconds(wait)}` }),
  });
  res.end(JSON.stringify({ type, title, status: httpStatus, ...problem }));
}

/** @throws Denied for what is no payload */
function payloadFrom(type: string, bytes: Buffer): Payload {
  if (!type.startsWith('application/json')) return { reference: '(raw)', amount: 1 };
  let payload: Partial<Payload> | null = null;
  try {
    payload = JSON.parse(bytes.toString('utf8'));
  } catch {}
  if (typeof payload?.reference !== 'string' || !(Number(payload.amount) > 0)) throw new Denied(400);
  if (payload.failure === 'invalid') throw new Denied(400);
  return payload as Payload;
}

async function read(req: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
