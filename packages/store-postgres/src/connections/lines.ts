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

/** A line that carries something and has answered nothing for so long takes no more while another is quicker. */
const STUCK_MS = 20;

interface Line {
  open: Promise<pg.Client> | undefined;
  isConnected: boolean;
  /** Look-ups that wait for their answers. */
  carries: number;
  /** Since when the next answer is waited for. Monotonic. */
  since: number;
}

/** @param count at least 1 */
export function createLines(
  config: pg.PoolConfig,
  count: number,
  send: Send,
  onError: (error: unknown) => void,
): Lines {
  const lines = Array.from(
    { length: count },
    (): Line => ({ open: undefined, isConnected: false, carries: 0, since: 0 }),
  );
  let closed = false;

  function drop(line: Line): void {
    line.open = undefined;
    line.isConnected = false;
  }

  function connectionOf(line: Line): Promise<pg.Client> {
    if (line.open !== undefined) return line.open;
    const client = new pg.Client(config);
    const forget = () => {
      if (line.open === connecting) drop(line);
    };
    client.on('error', (error) => {
      forget();
      onError(error);
    });
    client.on('end', forget);
    const connecting = client.connect().then(
      () => {
        line.isConnected = line.open === connecting;
        return client;
      },
      (error: unknown) => {
        forget();
        throw error;
      },
    );
    line.open = connecting;
    return connecting;
  }

  /** The first that is neither full nor stuck, else the one that carries fewest. */
  function freest(): Line {
    const before = performance.now() - STUCK_MS;
    const isFree = ({ carries, since }: Line) => carries === 0 || (carries < FULL && since > before);
    return lines.find(isFree) ?? lines.reduce((a, b) => (b.carries < a.carries ? b : a));
  }

  /** Rejects when there is no connection to be had. */
  async function ask(line: Line, query: Query): Promise<Landed> {
    if (line.carries++ === 0) line.since = performance.now();
    try {
      const connecting = connectionOf(line);
      const client = await connecting;
      // The first leaves at once: Postgres works on it while the others gather.
      if (line.carries > 1) gather(client);
      const landed = await send(client, query);
      if (landed.error !== undefined && isUseless(landed.error) && line.open === connecting) {
        drop(line);
        client.end().catch(() => {});
      }
      return landed;
    } finally {
      line.carries--;
      line.since = performance.now();
    }
  }

  /** Where no connection is to be had, one that is open may still do. */
  async function askAny(query: Query): Promise<Landed> {
    try {
      return await ask(freest(), query);
    } catch (error) {
      const open = lines.find(({ isConnected }) => isConnected);
      if (open === undefined) throw unavailable(error);
      return ask(open, query);
    }
  }

  return {
    async read(...query) {
      for (let tries = 1; ; tries++) {
        // Also before the second try: nobody would close the connection that it opened.
        if (closed) throw unavailable(new Error('The store is closed'));
        const { answers, error } = await askAny(query);
        if (error === undefined) return answers[0]?.rows ?? [];
        // Reads may be asked again: once, on a new connection (this one may have died of old age).
        if (tries === 2 || !isUseless(error)) throw refused(error);
      }
    },
    async close() {
      closed = true;
      const open = await Promise.allSettled(lines.map(async (line) => line.open));
      await Promise.all(open.map(async (line) => line.status === 'fulfilled' && line.value?.end()));
    },
  };
}
