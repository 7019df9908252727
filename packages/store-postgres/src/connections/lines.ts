import pg from 'pg';
import { isUseless, refused, unavailable } from './failures.ts';
import { type Landed, type Query, type Row, type Send, streamOf } from './flight.ts';

/**
 * A few connections that all readers share, many look-ups in flight on each: what leaves together is one write, and one read
 * at the server (measured, 16 callers: one connection carries 1.2 times what two do, and those what a pool of ten does). Only
 * for statements that never wait for a lock: one that did would hold up the rest.
 */
export interface Lines {
  read(...query: Query): Promise<readonly Row[]>;
  close(): Promise<void>;
}

/** What is asked on a line until the event loop has read all that has arrived leaves in one write: writing is dear. */
function gather(client: pg.Client): void {
  const stream = streamOf(client);
  if (stream === undefined || stream.writableCorked > 0) return;
  stream.cork();
  setImmediate(() => stream.uncork());
}

/** A line that carries so many takes no more while another carries fewer: Postgres works them off one after the other. */
const FULL = 32;

interface Line {
  open: Promise<pg.Client> | undefined;
  /** Look-ups that wait for their answers. */
  carries: number;
}

/** @param count at least 1 */
export function createLines(
  config: pg.PoolConfig,
  count: number,
  send: Send,
  onError: (error: unknown) => void,
): Lines {
  const lines = Array.from({ length: count }, (): Line => ({ open: undefined, carries: 0 }));
  let closed = false;

  function connectionOf(line: Line): Promise<pg.Client> {
    if (line.open !== undefined) return line.open;
    const client = new pg.Client(config);
    const forget = () => {
      if (line.open === connecting) line.open = undefined;
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
    line.open = connecting;
    return connecting;
  }

  /** The first that isn't full, else the one that carries fewest. */
  function freest(): Line {
    const [first, ...others] = lines as [Line, ...Line[]];
    if (first.carries < FULL) return first;
    return (
      others.find(({ carries }) => carries < FULL) ?? lines.reduce((a, b) => (b.carries < a.carries ? b : a))
    );
  }

  /** @throws StoreUnavailable when there is no connection to be had */
  async function ask(line: Line, query: Query): Promise<Landed> {
    line.carries++;
    try {
      const connecting = connectionOf(line);
      const client = await connecting.catch((error: unknown) => {
        throw unavailable(error);
      });
      // The first leaves at once: Postgres works on it while the others gather.
      if (line.carries > 1) gather(client);
      const landed = await send(client, query);
      if (landed.error !== undefined && isUseless(landed.error)) {
        if (line.open === connecting) line.open = undefined;
        client.end().catch(() => {});
      }
      return landed;
    } finally {
      line.carries--;
    }
  }

  return {
    async read(...query) {
      for (let tries = 1; ; tries++) {
        // Also before the second try: nobody would close the connection that it opened.
        if (closed) throw unavailable(new Error('The store is closed'));
        const { answers, error } = await ask(freest(), query);
        if (error === undefined) return answers[0]?.rows ?? [];
        // Reads may be asked again: once, on a new connection (this one may have died of old age).
        if (tries === 2 || !isUseless(error)) throw refused(error);
      }
    },
    async close() {
      closed = true;
      const open = await Promise.allSettled(lines.map((line) => line.open));
      await Promise.all(open.map(async (line) => line.status === 'fulfilled' && line.value?.end()));
    },
  };
}
