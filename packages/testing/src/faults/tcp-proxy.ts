import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type Clock, systemClock } from './clock.ts';
import { createPipe, type Direction, type DirectionFaults, type Pipe, sendReset } from './tcp-pipe.ts';

export type { Direction, DirectionFaults } from './tcp-pipe.ts';

/** What a hook says about bytes. `blackhole` holds for the rest of the connection, in that direction only. */
export type Verdict = 'pass' | 'drop' | 'blackhole' | 'reset';

export interface ProxyFaults {
  readonly toServer?: DirectionFaults;
  readonly toClient?: DirectionFaults;
  /** Sees every chunk, in both directions, before any other fault. Chunks are what TCP made of the bytes. */
  readonly onData?: (direction: Direction, chunk: Buffer, connection: ProxyConnection) => Verdict;
}

export interface ProxyConnection {
  /** 1 for the first connection that the proxy accepted. */
  readonly id: number;
  /** Bytes that arrived at the proxy, whether or not they were passed on. */
  readonly received: Readonly<Record<Direction, number>>;
  /** From now on bytes in that direction are accepted and never passed on; nor is the close. */
  blackhole(direction: Direction): void;
  /** RST to both sides, now. */
  reset(): void;
  /** Resolves when both sides are closed. */
  readonly closed: Promise<void>;
}

export interface TcpProxy {
  readonly port: number;
  /** The same URL with the proxy's host and port in it. */
  url(original: string): string;
  /** Replaces all faults, for open connections too. `setFaults({})` heals (black holes of a connection stay). */
  setFaults(faults: ProxyFaults): void;
  /** Open connections, oldest first. */
  readonly connections: readonly ProxyConnection[];
  /** RST to both sides of every open connection; new ones are accepted. */
  cut(): void;
  /** Stops listening, so that new connections get ECONNREFUSED. Open ones stay. */
  refuse(): Promise<void>;
  /** Listens again on the same port. Rejects if another process took it meanwhile. */
  accept(): Promise<void>;
  /** Stops listening and cuts what is open. */
  close(): Promise<void>;
}

export interface TcpProxyOptions {
  readonly target: { readonly host: string; readonly port: number };
  readonly faults?: ProxyFaults;
  /** @default 0: a free port */
  readonly port?: number;
  /** For jitter: a number in [0, 1). @default Math.random */
  readonly random?: () => number;
  /** For latency. @default systemClock */
  readonly clock?: Clock;
}

/**
 * A TCP proxy on 127.0.0.1 that breaks what passes through it, on demand. It knows no protocol.
 *
 * @example A COMMIT that Postgres did and whose acknowledgement never arrives:
 * ```ts
 * const proxy = await createTcpProxy({ target: { host: '127.0.0.1', port: 5432 } });
 * const lost = loseAnswerAfter('COMMIT');
 * proxy.setFaults({ onData: lost.onData });
 * const commit = client.query('COMMIT'); // client connected to proxy.url(databaseUrl)
 * (await lost.swallowed).reset();        // Postgres answered, so the row is there; now the client may notice
 * ```
 */
export async function createTcpProxy(options: TcpProxyOptions): Promise<TcpProxy> {
  const { target, random = Math.random, clock = systemClock } = options;
  let faults: ProxyFaults = options.faults ?? {};
  let made = 0;
  const open = new Set<ProxyConnection>();

  const join = (client: Socket): void => {
    const server = connect({ ...target, allowHalfOpen: true });
    const holes = new Set<Direction>();
    const received: Record<Direction, number> = { toServer: 0, toClient: 0 };
    let isReset = false;

    const connection: ProxyConnection = {
      id: ++made,
      received,
      blackhole: (direction) => void holes.add(direction),
      reset() {
        isReset = true;
        sendReset(client);
        sendReset(server);
      },
      closed: Promise.all([closed(client), closed(server)]).then(() => void open.delete(connection)),
    };
    open.add(connection);

    const wire = (direction: Direction, from: Socket, to: Socket): void => {
      const current = () => faults[direction] ?? {};
      const isHole = () => holes.has(direction) || current().blackhole === true;
      const pipe: Pipe = createPipe({
        to,
        from,
        faults: current,
        random,
        clock,
        isHole,
        reset: () => connection.reset(),
      });
      from.on('data', (chunk: Buffer) => {
        received[direction] += chunk.length;
        const verdict = faults.onData?.(direction, chunk, connection) ?? 'pass';
        if (verdict === 'reset') return connection.reset();
        if (verdict === 'blackhole') holes.add(direction);
        if (verdict === 'pass' && !isReset) pipe.write(chunk);
      });
      from.on('end', () => pipe.end());
      // A broken socket (RST, refused) breaks the other side too, unless the close is to be hidden from it.
      from.on('error', () => pipe.break());
    };
    wire('toServer', client, server);
    wire('toClient', server, client);
  };

  const listener = createServer({ allowHalfOpen: true }, join);
  const listen = async (port: number): Promise<number> => {
    listener.listen(port, '127.0.0.1');
    await once(listener, 'listening'); // rejects on 'error'
    return (listener.address() as AddressInfo).port;
  };
  // server.close() calls back only when all connections are gone; the port is free at once.
  const unlisten = () => {
    if (listener.listening) listener.close();
  };
  const cut = () => {
    for (const connection of open) connection.reset();
  };
  const port = await listen(options.port ?? 0);

  return {
    port,
    url: (original) => {
      const url = new URL(original);
      url.hostname = '127.0.0.1';
      url.port = String(port);
      return url.href;
    },
    setFaults: (next) => {
      faults = next;
    },
    get connections() {
      return [...open];
    },
    cut,
    refuse: async () => unlisten(),
    accept: async () => {
      if (!listener.listening) await listen(port);
    },
    close: async () => {
      unlisten();
      const gone = [...open].map((connection) => connection.closed);
      cut();
      await Promise.all(gone);
    },
  };
}

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => socket.once('close', () => resolve()));
