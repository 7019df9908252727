/** One user action that has been begun. */
export interface JournalRecord {
  /** tRPC path, or method and URL. */
  readonly path: string;
  readonly key: string;
  /** When the key was made, by the wall clock, in milliseconds since 1970. */
  readonly createdAt: number;
  /** How often it was sent, as far as that was written down: a page that dies may have sent it once more, or less. */
  readonly attempts: number;
  /** `unknown`: the call ended without a definite answer. `completed`: an intent that is done (others are struck out). */
  readonly state: 'sending' | 'accepted' | 'unknown' | 'completed';
  /** When the server may have forgotten the key; by the wall clock. */
  readonly expiresAt?: number | undefined;
  /** Id of the intent that it was run for. */
  readonly intent?: string | undefined;
  /** Tells apart what was sent; no input can be read from it by looking at it, but a short one can be guessed. */
  readonly fingerprint?: string | undefined;
  /** Whose it is. */
  readonly scope?: string | undefined;
  readonly deployment?: string | undefined;
  /** Only where `persistInput` allows it. */
  readonly input?: unknown;
  /** The tab that is working on it. */
  readonly owner?: string | undefined;
  /** Until when that tab's present attempt lasts, by the wall clock. */
  readonly leaseUntil?: number | undefined;
  readonly operationId?: string | undefined;
}

/**
 * What names a record, as a string: scope, deployment, path, and the intent; without an intent the key. So two users,
 * two deployments or two procedures never share one.
 */
export const nameOf = ({
  scope,
  deployment,
  path,
  intent,
  key,
}: Pick<JournalRecord, 'scope' | 'deployment' | 'path' | 'intent' | 'key'>): string =>
  JSON.stringify([scope, deployment, path, intent === undefined ? key : [intent]]);

/** Whether a record that was found is the one meant, and may still change: what is done stays done. */
export const isOpen = (found: JournalRecord | undefined, record: JournalRecord): boolean =>
  found?.key === record.key && found.state !== 'completed';

type Maybe<T> = T | Promise<T>;

/** What a journal is told by the client that uses it. */
export interface JournalHost {
  /** What can't be written down isn't sent: the journal must not replace its storage by memory. */
  readonly required: boolean;
  /** The storage failed, and the journal goes on without it. */
  report(error: unknown, record?: JournalRecord): void;
}

/**
 * Where actions are written down before they are sent. `nameOf` names a record.
 * What a journal throws becomes a `journal_error` event; the call goes on.
 */
export interface Journal {
  /**
   * Adds the record and returns that very object, or leaves and returns the one that is there: atomically, also between
   * two tabs. A call is sent in its own tick if the answer isn't a promise. A journal that has to wait collects the
   * claims of a tick in one write and resolves them together, or each mutation would leave in a request of its own
   * (tRPC's batch closes on the next timer).
   */
  claim(record: JournalRecord): Maybe<JournalRecord>;
  /** Replaces the record. Nothing happens if it isn't there, is there with another key, or is completed. */
  update(record: JournalRecord): Maybe<void>;
  /** Takes the record out. Nothing happens if it isn't there, or is there with another key. */
  settle(record: JournalRecord): Maybe<void>;
  /** All that is there, of everybody, oldest first. */
  list(): Maybe<readonly JournalRecord[]>;
  /** Called once by each client that uses the journal. */
  attach?(host: JournalHost): void;
}
