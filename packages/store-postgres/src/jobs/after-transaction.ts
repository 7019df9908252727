import type { EventEmitter } from 'node:events';
import type pg from 'pg';

const watched = new WeakSet<EventEmitter>();

/**
 * Calls `then` when the transaction of a client has ended, one way or the other: with every answer Postgres says whether the
 * connection is inside a transaction. Costs no query. Not called when the connection is lost, or where the driver doesn't show
 * those messages: it may only carry hints.
 */
export function afterTransaction(client: pg.ClientBase, then: () => void): void {
  if (client.getTransactionStatus() === 'I') {
    then();
    return;
  }
  const { connection } = client as { connection?: EventEmitter };
  if (typeof connection?.on !== 'function' || watched.has(connection)) return;
  watched.add(connection);
  const listen = (message: { readonly status?: string } | undefined) => {
    if (message?.status !== 'I') return;
    connection.off('readyForQuery', listen);
    watched.delete(connection);
    then();
  };
  connection.on('readyForQuery', listen);
}
