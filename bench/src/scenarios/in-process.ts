import type { Contestant } from '../harness/interleave.ts';
import type { Entrant } from '../harness/stage.ts';
import type { Server } from '../harness/start-server.ts';
import type { Keys } from './over-http.ts';

/** The server process calls itself, without HTTP: the variant's own cost, and the database's. */
export function inProcess({ variant }: Entrant, server: Server, keys: Keys, among?: number): Contestant {
  return {
    name: variant.name,
    against: variant.against,
    async round(callers, ms) {
      const { round, next } = await server.drive({
        callers,
        ms,
        prefix: keys.prefix,
        from: keys.used,
        ...(among !== undefined && { among }),
      });
      keys.skipTo(next);
      return round;
    },
  };
}
