/** One user action that has been begun and isn't settled. */
export interface JournalRecord {
  /** tRPC path, or method and URL. */
  readonly path: string;
  readonly key: string;
  /** When the key was made, by the wall clock, in milliseconds since 1970. */
  readonly createdAt: number;
  /** How often it was sent. */
  readonly attempts: number;
  /** `unknown`: the call ended without a definite answer. */
  readonly state: 'sending' | 'accepted' | 'unknown';
}

type Maybe<T> = T | Promise<T>;

/**
 * Where actions are written down before they are sent. A record is named by its path and key together.
 * What a journal throws becomes a `journal_error` event; the call goes on.
 */
export interface Journal {
  /**
   * Adds the record, or leaves and returns the one that is there: atomically, also between two tabs. A call is sent in
   * its own tick if the answer isn't a promise. A journal that has to wait collects the claims of a tick in one write
   * and resolves them together, or each mutation would leave in a request of its own (tRPC's batch closes on the next
   * timer).
   */
  claim(record: JournalRecord): Maybe<JournalRecord>;
  /** Replaces the record. Nothing happens if it isn't there. */
  update(record: JournalRecord): Maybe<void>;
  /** Takes the record out: its outcome is known. */
  settle(record: JournalRecord): Maybe<void>;
  /** All that isn't settled, oldest first. */
  list(): Maybe<readonly JournalRecord[]>;
}
