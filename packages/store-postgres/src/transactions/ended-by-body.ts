import type { EventEmitter } from 'node:events';
import type pg from 'pg';

/** What the server says about a transaction while a handler has it. */
export interface Watch {
  /** Something other than a rollback was done that left no transaction open: no rollback of ours undoes it. */
  readonly wroteOutside: boolean;
  /** The handler's time is over: what comes now is the store's own. */
  end(): void;
}

interface Listening {
  isOn: boolean;
  /** Commands since the server was last ready, as it calls them. */
  readonly done: string[];
  outside: boolean;
}

/** One pair of listeners for a connection's life: each call pays for what it sends only. */
const listenings = new WeakMap<object, Listening>();

/**
 * A handler may end its transaction and go on in one query (`ROLLBACK; INSERT …`), or send the next before the first is answered:
 * what it has sent doesn't show it, what was done does.
 */
export function watchTransaction(client: pg.ClientBase): Watch {
  const { connection } = client as unknown as { readonly connection: EventEmitter };
  const listening = listenings.get(connection) ?? listenTo(connection);
  listening.isOn = true;
  listening.outside = false;
  listening.done.length = 0;
  return {
    get wroteOutside() {
      return listening.outside;
    },
    end() {
      listening.isOn = false;
    },
  };
}

function listenTo(connection: EventEmitter): Listening {
  const listening: Listening = { isOn: false, done: [], outside: false };
  connection.on('commandComplete', ({ text }: { readonly text: string }) => {
    if (listening.isOn) listening.done.push(text);
  });
  connection.on('readyForQuery', ({ status }: { readonly status: string }) => {
    if (!listening.isOn) return;
    if (status === 'I' && listening.done.some((command) => command !== 'ROLLBACK')) listening.outside = true;
    listening.done.length = 0;
  });
  listenings.set(connection, listening);
  return listening;
}
