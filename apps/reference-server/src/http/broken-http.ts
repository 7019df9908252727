import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';

/**
 * A request must have arrived whole after this long. Whoever sends it byte by byte holds a socket, and Fastify would let
 * them for ever. An answer may take longer.
 */
export const REQUEST_TIMEOUT_MS = 60_000;

/**
 * Only tRPC's WebSockets. Clients that offer HTTP/2 on every first request (Java's `Upgrade: h2c`) get their answer over
 * HTTP/1.1.
 */
export const upgradesToWebSocket = (request: {
  readonly url?: string | undefined;
  readonly method?: string | undefined;
  readonly headers: { readonly upgrade?: string | undefined };
}): boolean =>
  request.method === 'GET' &&
  /^\/trpc(?![\w-])/.test(request.url ?? '') &&
  request.headers.upgrade?.toLowerCase() === 'websocket';

const REFUSALS: Readonly<Record<string, readonly [status: number, detail: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request did not arrive in time'],
  HPE_HEADER_OVERFLOW: [431, 'The headers are too large'],
};

/** Refuses what isn't HTTP at all, so that there is no request and no reply yet: a problem document like every other. */
export function refuseBrokenHttp(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const [status, detail] = REFUSALS[error.code ?? ''] ?? [400, 'The request is not valid HTTP'];
  const title = STATUS_CODES[status];
  const body = JSON.stringify({ type: 'about:blank', title, status, detail });
  if (socket.writable) {
    socket.write(
      `HTTP/1.1 ${status} ${title}\r\nContent-Type: application/problem+json; charset=utf-8\r\n` +
        `Cache-Control: private, no-store\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    );
  }
  socket.destroy(error);
}
