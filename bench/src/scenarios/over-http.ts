import { openConnection } from '../harness/connection.ts';
import type { Contestant } from '../harness/interleave.ts';
import { inputOf, keyOf, requestText } from '../harness/request.ts';
import { closedLoop } from '../harness/round.ts';
import type { Entrant } from '../harness/stage.ts';
import type { Server } from '../harness/start-server.ts';

/** Keys of a run: new ones, or round and round among a few. Shared by all rounds of a contestant. */
export interface Keys {
  readonly prefix: string;
  next(): string;
  /** How many were handed out so far. */
  readonly used: number;
  /** The server process has used those below `n` by itself. */
  skipTo(n: number): void;
}

export function createKeys(prefix: string, among?: number): Keys {
  let n = 0;
  return {
    prefix,
    next() {
      const key = keyOf(prefix, among === undefined ? n : n % among);
      n++;
      return key;
    },
    get used() {
      return n;
    },
    skipTo(to) {
      n = to;
    },
  };
}

/** Callers are connections of their own, opened for the round: an idle one would be closed by the server meanwhile. */
export function overHttp(entrant: Entrant, server: Server, keys: Keys): Contestant {
  const { name, against, road } = entrant.variant;
  return {
    name,
    against,
    async round(callers, ms) {
      const connections = await Promise.all(
        Array.from({ length: callers }, () => openConnection(server.url)),
      );
      const result = await closedLoop({
        callers,
        ms,
        cpu: () => server.cpu(),
        async call(caller) {
          const key = keys.next();
          const reply = await connections[caller]?.send(requestText(road, key, inputOf(key)));
          return reply !== undefined && reply.status < 300;
        },
      });
      for (const connection of connections) connection.close();
      return result;
    },
  };
}

/** One after the other, so that every one of them is an execution or a replay of a finished one. */
export async function oneByOne(entrant: Entrant, server: Server, keys: Keys, calls: number): Promise<void> {
  const connection = await openConnection(server.url);
  for (let i = 0; i < calls; i++) {
    const key = keys.next();
    const { status, tail } = await connection.send(requestText(entrant.variant.road, key, inputOf(key)));
    if (status >= 300) throw new Error(`${entrant.variant.name} answered ${status}: ${tail}`);
  }
  connection.close();
}
