import type { FastifyInstance } from 'fastify';
import { plain, RestRefusal } from '../rest/problem.ts';
import { upgradesToWebSocket } from './broken-http.ts';

/** Nothing was begun: the same request may come again, under the same key. */
export class Overloaded extends RestRefusal {
  readonly statusCode = 503;
  override readonly message = 'The server is at its limit: try again in a moment, with the same key';
  constructor() {
    super(plain(503, 'The server is at its limit: try again in a moment, with the same key'));
  }
}

/**
 * Refuses at the door what can't be begun soon, before it is authenticated or parsed: a queue would turn every answer into
 * one that comes too late. Health, metrics and open sockets don't count.
 */
export function shedLoad(app: FastifyInstance, { maxInFlight }: { readonly maxInFlight: number }): void {
  let inFlight = 0;
  app.addHook('onRequest', (request, reply, done) => {
    if (UNCOUNTED.has(request.url) || upgradesToWebSocket(request.raw)) return done();
    if (inFlight >= maxInFlight) {
      reply.header('retry-after', '1');
      return done(new Overloaded());
    }
    inFlight++;
    reply.raw.once('close', () => inFlight--);
    done();
  });
}

const UNCOUNTED: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics']);
