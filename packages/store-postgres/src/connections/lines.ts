import pg from 'pg';
import { isUseless, refused, unavailable } from './failures.ts';
import { connectionOf, type Query, type Row, rowsOf, type Send } from './flight.ts';

/**
 * A few connections that all readers share, several look-ups in flight on each (measured: two of them carry 1.3 to 2
 * times what a pool of ten does). Only for statements that never wait for a lock: one that did would hold up the rest.
 */
export interface Lines {
  read(...query: Query): Promise<readonly Row[]>;
  close(): Promise<void>;
}

/** What is asked on a line until the event loop has read all that has arrived leaves in one write: writing is dear. */
function gather(client: pg.Client): void {
  const stream = connectionOf(client)?.stream;
  if (stream === undefined || stream.writableCorked > 0) return;
  stream.cork();
  setImmediate(() => stream.uncork());
}

export function createLines(
  config: pg.PoolConfig,
  count: number,
  send: Send,
  onError: (error: unknown) => void,
): Lines {
  const lines: (Promise<pg.Client> | undefined)[] = Array.from({ length: count });
  let turn = 0;
  let closed = false;

  function line(index: number): Promise<pg.Client> {
    const open = lines[index];
    if (open !== undefined) return open;
    const client = new pg.Client(config);
    const forget = () => {
      if (lines[index] === connecting) lines[index] = undefined;
    };
    client.on('error', (error) => {
      forget();
      onError(error);
    });
    client.on('end', forget);
    const connecting = client.connect().then(
      () => client,
      (error: unknown) => {
        forget();
        throw error;
      },
    );
    lines[index] = connecting;
    return connecting;
  }

  return {
    async read(...query) {
      turn = (turn + 1) % count;
      const mine = turn;
      for (let tries = 1; ; tries++) {
        // Also before the second try: nobody would close the connection that it opened.
        if (closed) throw unavailable(new Error('The store is closed'));
        const connecting = line(mine);
        let client: pg.Client;
        try {
          client = await connecting;
        } catch (error) {
          throw unavailable(error);
        }
        try {
          gather(client);
          return await rowsOf(send(client, query));
        } catch (error) {
          if (!isUseless(error)) throw refused(error);
          // Reads may be asked again: once, on a new connection (this one may have died of old age).
          if (lines[mine] === connecting) lines[mine] = undefined;
          client.end().catch(() => {});
          if (tries === 2) throw refused(error);
        }
      }
    },
    async close() {
      closed = true;
      const open = await Promise.allSettled(lines.filter((line) => line !== undefined));
      await Promise.all(open.map(async (line) => line.status === 'fulfilled' && line.value.end()));
    },
  };
}
