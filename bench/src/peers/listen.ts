import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Listens on a free port of this machine alone. */
export async function listen(
  listener: RequestListener,
  maxInFlight = Number.POSITIVE_INFINITY,
): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer(bounded(listener, maxInFlight));
  // Longer than any pause of the load generator: a connection closed under its hands would look like a failure.
  server.keepAliveTimeout = 300_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/**
 * The guard against overload: what can't be begun soon is refused at once, before anything is parsed. A queue would only
 * turn every answer into one that comes too late.
 */
function bounded(listener: RequestListener, maxInFlight: number): RequestListener {
  let inFlight = 0;
  return (req, res) => {
    if (inFlight >= maxInFlight) {
      req.resume();
      res.writeHead(503, { 'retry-after': '1', 'content-length': '0' });
      res.end();
      return;
    }
    inFlight++;
    res.once('close', () => inFlight--);
    listener(req, res);
  };
}
