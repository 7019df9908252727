import pg from 'pg';
import type { Statement } from '../statements/statement.ts';
import { explained, isConnectionLoss, unavailable } from './failures.ts';
import type { Row, Send } from './flight.ts';

/**
 * A few connections that all readers share, several look-ups in flight on each (measured: two of them carry 1.3 to 2
 * times what a pool of ten does). Only for statements that never wait for a lock: one that did would hold up the rest.
 */
export interface Lines {
  read(statement: Statement, values: readonly unknown[]): Promise<readonly Row[]>;
  close(): Promise<void>;
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
    async read(statement, values) {
      if (closed) throw unavailable(new Error('The store is closed'));
      turn = (turn + 1) % count;
      for (let tries = 1; ; tries++) {
        let client: pg.Client;
        try {
          client = await line(turn);
        } catch (error) {
          throw unavailable(error);
        }
        try {
          return (await send(client, [statement, values])).rows;
        } catch (error) {
          if (!isConnectionLoss(error)) throw explained(error);
          // Reads may be asked again: once, on a new connection (this one may have died of old age).
          client.end().catch(() => {});
          if (tries === 2) throw unavailable(error);
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
