import { connect, keyPrefixOf, type RedisConnection } from './connection.ts';

export interface Changes {
  /** Resolves when the key is told of, at the latest after `ms`. */
  next(key: string, ms: number): Promise<void>;
  /**
   * Drops the connection; whoever waits next opens another. A peer that has vanished never closes one, and nobody notices
   * by listening.
   */
  hangUp(): void;
  close(): void;
}

/**
 * Hears which keys have changed. Opens its connection when somebody first waits. Missing a message, or having no
 * connection, costs the rest of one `ms`.
 */
export function createChanges(connection: RedisConnection, channel: string): Changes {
  const waiting = new Map<string, Set<() => void>>();
  let listener: ReturnType<typeof connect> | undefined;

  function listen(): void {
    if (listener !== undefined) return;
    // Here the queue is wanted: subscribe as soon as there is a connection.
    const client = connect(connection, { enableOfflineQueue: true, maxRetriesPerRequest: null });
    const before = keyPrefixOf(client).length;
    client.on('message', (_channel: string, key: string) => {
      for (const wake of waiting.get(key.slice(before)) ?? []) wake();
    });
    client.subscribe(channel).catch(() => {});
    listener = client;
  }

  function hangUp(): void {
    listener?.disconnect();
    listener = undefined;
  }

  return {
    hangUp,
    next(key, ms) {
      listen();
      return new Promise((resolve) => {
        const wakers = waiting.get(key) ?? new Set();
        waiting.set(key, wakers);
        const wake = (): void => {
          clearTimeout(timer);
          wakers.delete(wake);
          if (wakers.size === 0 && waiting.get(key) === wakers) waiting.delete(key);
          resolve();
        };
        const timer = setTimeout(wake, ms);
        wakers.add(wake);
      });
    },
    close() {
      hangUp();
      for (const wakers of [...waiting.values()]) for (const wake of [...wakers]) wake();
    },
  };
}
