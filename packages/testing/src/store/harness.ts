import type { Store } from '@semel/server/store';

/**
 * What an author of a store gives the suite: how to open one, and how to see and do what the port doesn't offer.
 *
 * @typeParam Tx what handlers write their effects through, as in `Store<Tx>`.
 */
export interface StoreHarness<Tx = unknown> {
  /**
   * A store that works, called once for every case and property. It may hold what earlier cases left: every case keeps
   * to a scope of its own.
   */
  open(): Promise<OpenedStore<Tx>>;
}

export interface OpenedStore<Tx = unknown> {
  readonly store: Store<Tx>;

  /**
   * The same records seen by another process or over other connections; the suite closes it. Absent where nobody else
   * can see them: the cases for several servers are then skipped, and say so.
   */
  second?(): Promise<Store<Tx>>;

  /** Something to write in a transaction, and to count what was committed. */
  readonly effects: {
    write(tx: Tx, label: string): Promise<void>;
    count(label: string): Promise<number>;
  };

  /**
   * Moves the store's clock forward by `ms` for everything it holds: a clock of one's own is advanced, in a database all
   * stored times (operations, leases, expiry, transitions, rejected transitions, when work is due, progress, decisions,
   * offers) are shifted back.
   */
  travel(ms: number): Promise<void>;

  /** Makes the transaction fail inside (a statement that the database refuses) and swallows the error. */
  breakTransaction?(tx: Tx): Promise<void>;

  /** The handler's own COMMIT, behind the store's back. */
  commitBehindTheBack?(tx: Tx): Promise<void>;

  /** Closes the store and what the harness opened for it. */
  close(): Promise<void>;
}
