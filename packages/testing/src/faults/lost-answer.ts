import type { ProxyConnection, ProxyFaults } from './tcp-proxy.ts';

export interface LostAnswer {
  /** For `ProxyFaults.onData`. */
  readonly onData: NonNullable<ProxyFaults['onData']>;
  /**
   * Resolves when the answer's first bytes were swallowed: the target has answered the first of what was asked (a
   * pipelined flight is done with its last answer). The connection is left hanging; `reset()` it to let the client notice.
   */
  readonly swallowed: Promise<ProxyConnection>;
}

// Enough to find a word that TCP cut in two, and no more: a connection may carry gigabytes before it.
const WINDOW = 256;

/**
 * Lets a request through and loses its answer: the direction to the client becomes a black hole with the first
 * answer after the client's bytes contained `text`. Once: only the first connection that says it is hit, later
 * ones pass, so that a retry gets through.
 *
 * @param text at most 256 characters, compared byte for byte (case counts)
 */
export function loseAnswerAfter(text: string): LostAnswer {
  if (text.length === 0 || text.length > WINDOW) throw new RangeError(`text of 1 to ${WINDOW} characters`);
  const windows = new WeakMap<ProxyConnection, string>();
  let resolve: (connection: ProxyConnection) => void = () => {};
  const promise = new Promise<ProxyConnection>((r) => {
    resolve = r;
  });
  let hit: ProxyConnection | undefined;

  return {
    swallowed: promise,
    onData(direction, chunk, connection) {
      if (direction === 'toServer' && !hit) {
        const seen = (windows.get(connection) ?? '') + chunk.toString('latin1');
        if (seen.includes(text)) hit = connection;
        else windows.set(connection, seen.slice(-WINDOW));
      }
      if (direction === 'toClient' && hit === connection) {
        resolve(connection);
        return 'blackhole';
      }
      return 'pass';
    },
  };
}
