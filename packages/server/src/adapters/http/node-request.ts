import type { IncomingMessage } from 'node:http';
import { BodyAlreadyRead } from './read-body.ts';

/** A request that no `Request` can be made of: TRACE, or a header that slipped through a lenient parser. */
export class UnusableRequest extends Error {
  override readonly name = 'UnusableRequest';
  /** What Fastify and Express answer an error with. */
  readonly statusCode = 400;
}

interface MaybeParsed {
  /** Express: the whole path, also under a mounted router. */
  readonly originalUrl?: unknown;
  /** The bytes, where something in front kept them: {@link keepRawBody}, `express.raw()`, several hosts. */
  readonly rawBody?: unknown;
  readonly body?: unknown;
}

/** What {@link requestFromNode} takes. */
export interface NodeRequestOptions {
  /** The body's bytes, where the framework has read them. @default `req.rawBody`, a Buffer in `req.body`, or the stream itself */
  readonly body?: Uint8Array | undefined;
}

/**
 * Node's request as a `Request`. Its body is read as it is asked for, and its signal never aborts: a caller that hangs up
 * changes nothing about what runs.
 *
 * @throws BodyAlreadyRead when something has read the body and kept no bytes
 * @throws UnusableRequest for one that Fetch has no form of: answer it 400
 *
 * @example
 * app.post('/orders', (request) => create(requestFromNode(request.raw, { body: request.body })))  // Fastify
 */
export function requestFromNode(req: IncomingMessage, options: NodeRequestOptions = {}): Request {
  const { method = 'GET' } = req;
  const body = method === 'GET' || method === 'HEAD' || !hasBody(req) ? null : bodyOf(req, options.body);
  try {
    const init = { method, headers: headersOf(req), body, duplex: 'half' } as RequestInit;
    return new Request(urlOf(req), init);
  } catch (cause) {
    throw new UnusableRequest('This request has no Fetch form', { cause });
  }
}

/**
 * For `express.json({ verify: keepRawBody })`: keeps the bytes of what it parses, so that an idempotent route behind it can
 * tell requests apart.
 */
export function keepRawBody(req: IncomingMessage, _res: unknown, bytes: Uint8Array): void {
  (req as { rawBody?: Uint8Array }).rawBody = bytes;
}

/** HTTP/1.1 announces a body in its headers. Over HTTP/2 it need not have a length: the stream says that nothing follows. */
function hasBody(req: IncomingMessage): boolean {
  const { headers } = req;
  if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0) return true;
  const { stream } = req as { stream?: { readonly endAfterHeaders?: boolean } };
  return stream?.endAfterHeaders === false;
}

function bodyOf(req: IncomingMessage, given: Uint8Array | undefined): BodyInit {
  const { rawBody, body } = req as MaybeParsed;
  const bytes = [given, rawBody, body].find((value) => value instanceof Uint8Array);
  if (bytes !== undefined) return bytes as Uint8Array<ArrayBuffer>;
  if (req.readableDidRead || req.destroyed) throw new BodyAlreadyRead();
  return streamOf(req);
}

/** Nothing is read before somebody asks: what nobody reads is Node's to discard. */
function streamOf(req: IncomingMessage): ReadableStream<Uint8Array> {
  let begun = false;
  let over = false;
  let onData: (chunk: Uint8Array) => void = () => {};

  function begin(controller: ReadableStreamDefaultController<Uint8Array>): void {
    begun = true;
    const isCutOff = new Error('The request ended before its body was complete');
    // Whoever asks for the body later than its caller hung up hears no event any more.
    if (req.destroyed) {
      over = true;
      controller.error(isCutOff);
      return;
    }
    const end = (finish: () => void) => () => {
      if (over) return;
      over = true;
      finish();
    };
    onData = (chunk) => {
      req.pause();
      controller.enqueue(chunk);
    };
    req.on('data', onData);
    req.on(
      'end',
      end(() => controller.close()),
    );
    const cutOff = end(() => controller.error(isCutOff));
    req.on('error', cutOff);
    req.on('close', cutOff);
  }

  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (!begun) begin(controller);
        req.resume();
      },
      cancel() {
        over = true;
        // The rest is let through to nowhere: a caller that is still sending couldn't hear the answer otherwise.
        req.off('data', onData);
        req.resume();
      },
    },
    { highWaterMark: 0 },
  );
}

function headersOf({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string;
    // HTTP/2's own (`:path`) are no headers.
    if (!name.startsWith(':')) headers.append(name, rawHeaders[at + 1] as string);
  }
  return headers;
}

function urlOf(req: IncomingMessage): string {
  const { originalUrl } = req as MaybeParsed;
  const target = typeof originalUrl === 'string' ? originalUrl : (req.url ?? '/');
  const secure = (req.socket as { encrypted?: boolean } | null)?.encrypted === true;
  const host = /^(?:[\w.-]{1,255}|\[[\da-f:.]{2,45}\])(?::\d{1,5})?$/i.exec(hostOf(req))?.[0];
  const origin = `${secure ? 'https' : 'http'}://${host ?? 'localhost'}`;
  // A proxy's form of a request names the host in its target. Everything else is a path, even `//elsewhere/…`.
  const path = /^https?:\/\/[^/?#]*(.*)$/i.exec(target)?.[1] ?? target;
  const rooted = path.startsWith('/') ? path : `/${path}`;
  return URL.canParse(origin + rooted) ? origin + rooted : `http://localhost${rooted}`;
}

/** HTTP/2 has a name of its own for it. */
const hostOf = ({ headers }: IncomingMessage): string => {
  const authority = headers[':authority'];
  return headers.host ?? (typeof authority === 'string' ? authority : '');
};
