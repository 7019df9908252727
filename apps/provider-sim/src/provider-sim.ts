import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { errorAnswer } from './answer.ts';
import { type ChargeCount, countCharges, countPayouts } from './book.ts';
import { control } from './control.ts';
import { deliver } from './deliver.ts';
import { createFaultSwitch, type FaultSettings, type LoseHow } from './faults.ts';
import { paramsFromForm } from './form.ts';
import { createIds } from './ids.ts';
import { createRequestLog, type LoggedRequest } from './request-log.ts';
import { createStripeApi } from './stripe-api.ts';

export interface ProviderSimOptions {
  /** @default 0: a free port */
  readonly port?: number | undefined;
  /** @default '127.0.0.1' */
  readonly host?: string | undefined;
  /**
   * Charges and remembered results are appended here, and on disk before they are answered. One simulator a file.
   * @default undefined: in memory only
   */
  readonly dataFile?: string | undefined;
  /** The same seed and the same requests give the same ids. @default undefined: random ids */
  readonly seed?: string | undefined;
  /** How late `cus_slow` is answered, in milliseconds. @default 2000 */
  readonly slowMs?: number | undefined;
  /** How many answers `cus_lost` loses per idempotency key. @default 1 */
  readonly loseTimes?: number | undefined;
  /**
   * How an answer gets lost. `body`: after the headers and 20 bytes; the stripe client reports it and does not
   * retry by itself. `connection`: before the first byte; the stripe client then retries once by itself, even with
   * `maxNetworkRetries: 0`, so the caller notices only from `loseTimes: 2` on.
   * @default 'body'
   */
  readonly loseHow?: LoseHow | undefined;
  /** Milliseconds since the epoch; decides about the 24 hours of idempotency keys. @default Date.now */
  readonly now?: (() => number) | undefined;
}

export interface ProviderSim {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Charges really made, oldest first; as `GET /_sim/charges`. */
  charges(reference?: string): Promise<ChargeCount[]>;
  /** Payouts really made, oldest first; as `GET /_sim/payouts`. */
  payouts(reference?: string): Promise<ChargeCount[]>;
  /** What arrived at /v1; as `GET /_sim/requests`. */
  requests(idempotencyKey?: string): readonly LoggedRequest[];
  /** As `POST /_sim/faults`: replaces what was set, `{}` heals. Throws for settings that mean nothing. */
  setFaults(faults: FaultSettings): void;
  /** Cuts open connections and stops. Nothing that was answered gets lost. */
  close(): Promise<void>;
}

const MAX_BODY_BYTES = 1_000_000;

/** Starts a stand-in for the payment provider. See the README for what it does and what it doesn't. */
export async function createProviderSim(options: ProviderSimOptions = {}): Promise<ProviderSim> {
  const { port = 0, host = '127.0.0.1', now = Date.now, dataFile, seed } = options;
  const { slowMs = 2000, loseTimes = 1, loseHow = 'body' } = options;
  const faults = createFaultSwitch();
  const log = createRequestLog();
  const api = await createStripeApi({ slowMs, loseTimes, loseHow, dataFile, seed, now, faults });
  const requestIds = createIds(undefined, 0);
  const closing = new AbortController();

  const answerStripe = async (request: IncomingMessage, response: ServerResponse, url: URL, body: string) => {
    const method = request.method ?? 'GET';
    const idempotencyKey = headerOf(request, 'idempotency-key') ?? null;
    const requestId = requestIds('req');
    const reply = await api.handle({
      method,
      path: url.pathname,
      params: paramsFromForm(method === 'POST' ? body : url.search),
      apiKey: apiKeyOf(headerOf(request, 'authorization')),
      idempotencyKey,
      requestId,
    });
    const { status, headers } = reply.answer;
    const answer = {
      ...reply.answer,
      headers: {
        'request-id': requestId,
        ...echo(request, ['idempotency-key', 'stripe-version']),
        ...headers,
      },
    };
    const delivered = await deliver(response, answer, reply.delivery, {
      left: reply.left,
      closing: closing.signal,
    });
    log.add({
      requestId,
      at: new Date(now()).toISOString(),
      method,
      path: url.pathname,
      idempotencyKey,
      customer: reply.customer,
      status,
      isReplay: headers?.['idempotent-replayed'] === 'true',
      delivered,
    });
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await bodyOf(request);
    const url = new URL(request.url ?? '/', 'http://sim');
    if (!url.pathname.startsWith('/_sim/')) return answerStripe(request, response, url, body);
    const answer = await control({ api, faults, log }, request.method ?? 'GET', url, body);
    response
      .writeHead(answer.status, { 'content-type': 'application/json' })
      .end(JSON.stringify(answer.body));
  };

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      // A body that never came, or a disk that failed: then the effect is uncertain, and 500 says just that.
      if (response.headersSent || response.destroyed) return void response.destroy();
      const { status, body } = errorAnswer(500, 'api_error', String(error));
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
  });
  server.listen(port, host);
  await once(server, 'listening');
  const { port: actual } = server.address() as AddressInfo;

  return {
    url: `http://${host}:${actual}`,
    host,
    port: actual,
    charges: async (reference) => {
      await api.settled();
      return countCharges(api.book, reference);
    },
    payouts: async (reference) => {
      await api.settled();
      return countPayouts(api.book, reference);
    },
    requests: (key) => log.entries(key),
    setFaults: (settings) => void faults.set(settings),
    close: async () => {
      const closed = once(server, 'close');
      closing.abort();
      server.close();
      server.closeAllConnections();
      await closed;
      await api.close();
    },
  };
}

const headerOf = (request: IncomingMessage, name: string): string | undefined =>
  [request.headers[name]].flat()[0] || undefined;

const echo = (request: IncomingMessage, names: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    names.flatMap((name) => {
      const value = headerOf(request, name);
      return value === undefined ? [] : [[name, value]];
    }),
  );

/** Bearer, or Basic with the key as the user name, as with Stripe. */
function apiKeyOf(authorization: string | undefined): string | undefined {
  const [scheme = '', credentials = ''] = (authorization ?? '').split(' ');
  if (scheme.toLowerCase() === 'bearer') return credentials || undefined;
  if (scheme.toLowerCase() !== 'basic') return undefined;
  return Buffer.from(credentials, 'base64').toString().split(':')[0] || undefined;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new Error('the body is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
