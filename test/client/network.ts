import type { ProxyConnection, ProxyFaults, TcpProxy } from '@semel/testing/faults';

type OnData = NonNullable<ProxyFaults['onData']>;

/** Bytes from the client that carry a call: no handshake of a socket, and no ping on it (both are short or a GET). */
const isCall = (chunk: Buffer): boolean =>
  chunk.length > 30 && !chunk.toString('latin1', 0, 4).startsWith('GET ');

/** The next call reaches the server, and nothing of its answer comes back. Resolves when the answer begins. */
export function loseNextAnswer(proxy: TcpProxy): Promise<ProxyConnection> {
  const { promise, resolve } = Promise.withResolvers<ProxyConnection>();
  let hit: ProxyConnection | undefined;
  const onData: OnData = (direction, chunk, connection) => {
    if (direction === 'toServer' && isCall(chunk)) hit ??= connection;
    if (direction === 'toServer' || hit !== connection) return 'pass';
    resolve(connection);
    return 'blackhole';
  };
  proxy.setFaults({ onData });
  return promise;
}

/** The next call dies on its way: the server never sees a byte of it. */
export function cutNextCall(proxy: TcpProxy): void {
  let done = false;
  proxy.setFaults({
    onData(direction, chunk) {
      if (done || direction === 'toClient' || !isCall(chunk)) return 'pass';
      done = true;
      return 'reset';
    },
  });
}

/** `bytes` bytes of the next answer's beginning arrive (negative: all of it but that many), and then a reset. */
export function cutNextAnswer(proxy: TcpProxy, bytes: number): void {
  let hit: ProxyConnection | undefined;
  let done = false;
  proxy.setFaults({
    onData(direction, chunk, connection) {
      if (direction === 'toServer') {
        if (isCall(chunk)) hit ??= connection;
      } else if (hit === connection && !done) {
        done = true;
        // Something may have passed on this connection before: the limit counts from its beginning.
        const before = connection.received.toClient - chunk.length;
        const limit = bytes < 0 ? chunk.length + bytes : bytes;
        proxy.setFaults({ toClient: { resetAfterBytes: before + limit } });
        void connection.closed.then(() => proxy.setFaults({}));
      }
      return 'pass';
    },
  });
}
