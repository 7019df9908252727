import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { refusal } from './answer.ts';
import { type BillingChange, createBilling } from './billing.ts';
import { control } from './control.ts';
import { deliver, send } from './deliver.ts';
import type { Domain } from './domain.ts';
import { createFaultSwitch, type FaultSettings } from './faults.ts';
import { openJournal } from './journal.ts';
import { createKeyedWrites, type Entry } from './keyed-writes.ts';
import { createRequestLog } from './request-log.ts';
import { createRoster, type RosterChange } from './roster.ts';

export type ServiceName = 'billing' | 'roster';

export interface CampusServiceOptions {
  /** @default 0: a free port */
  readonly port?: number | undefined;
  /** @default '127.0.0.1' */
  readonly host?: string | undefined;
  /**
   * Effects and remembered answers are appended here, and on disk before they are answered. One service a file.
   * @default undefined: in memory only
   */
  readonly dataFile?: string | undefined;
  /** Roster: seats of a course that has no number of its own. @default 30 */
  readonly capacity?: number | undefined;
  /** Milliseconds since the epoch; decides about the 24 hours of keys. @default Date.now */
  readonly now?: (() => number) | undefined;
}

export interface CampusService {
  readonly url: string;
  /** As `POST /_sim/faults`: replaces what was set, `{}` heals. Throws for settings that mean nothing. */
  setFaults(faults: FaultSettings): void;
  /** Cuts open connections and stops. Nothing that was answered gets lost. */
  close(): Promise<void>;
}

const MAX_BODY_BYTES = 65_536;

/** Starts one of the two services. See the README for what it does and what it doesn't. */
export function createCampusService(
  name: ServiceName,
  options: CampusServiceOptions = {},
): Promise<CampusService> {
  return name === 'billing'
    ? serve<BillingChange>(createBilling(), options)
    : serve<RosterChange>(createRoster(options), options);
}

async function serve<Change>(domain: Domain<Change>, options: CampusServiceOptions): Promise<CampusService> {
  const { port = 0, host = '127.0.0.1', now = Date.now, dataFile } = options;
  const faults = createFaultSwitch();
  const log = createRequestLog();
  const closing = new AbortController();
  const { signal } = closing;
  const open = async () => {
    const journal = await openJournal<Entry<Change>>(dataFile);
    return { journal, writes: createKeyedWrites({ domain, journal, faults, log, now, closing: signal }) };
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await bodyOf(request);
    const { journal, writes } = await opening.promise;
    if (body === undefined) return send(response, refusal(413, 'too_large', 'The body is too large'));
    const method = request.method ?? 'GET';
    const url = new URL(request.url ?? '/', 'http://campus');
    if (method !== 'POST' || url.pathname.startsWith('/_sim/')) {
      return send(
        response,
        await control({ domain, writes, journal, faults, log, dataFile }, method, url, body),
      );
    }
    const reply = await writes.handle({
      path: url.pathname,
      keyLines: request.headersDistinct['idempotency-key'],
      body,
    });
    const delivered = await deliver(response, reply.answer, reply.delivery, {
      left: reply.left,
      closing: signal,
    });
    if (reply.logged) Object.assign(reply.logged, { status: reply.answer.status, delivered });
  };

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      // A body that never came, or a disk that failed: then the effect is uncertain, and 500 says just that.
      if (response.headersSent || response.destroyed) return void response.destroy();
      send(response, refusal(500, 'broken', error instanceof Error ? error.message : 'unknown'));
    });
  });
  // The address first: where another process has it, the file is that one's too, and is not to be touched.
  const opening = Promise.withResolvers<Awaited<ReturnType<typeof open>>>();
  server.listen(port, host);
  await once(server, 'listening');
  opening.resolve(open());
  const { journal } = await opening.promise;
  const { port: actual } = server.address() as AddressInfo;

  return {
    url: `http://${host}:${actual}`,
    setFaults: (settings) => void faults.set(settings),
    close: async () => {
      const closed = once(server, 'close');
      closing.abort();
      server.close();
      server.closeAllConnections();
      await closed;
      await journal.close();
    },
  };
}

/** `undefined` for one that is too large. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  return size > MAX_BODY_BYTES ? undefined : Buffer.concat(chunks).toString('utf8');
}
