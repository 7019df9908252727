/** A record as the suite needs it; a journal keeps whatever members it is given. */
export interface SuiteRecord {
  readonly path: string;
  readonly key: string;
  readonly createdAt: number;
  readonly attempts: number;
  readonly state: 'sending' | 'accepted' | 'unknown' | 'completed';
  readonly expiresAt?: number | undefined;
  readonly intent?: string | undefined;
  readonly fingerprint?: string | undefined;
  readonly scope?: string | undefined;
  readonly deployment?: string | undefined;
  readonly input?: unknown;
}

type Maybe<T> = T | Promise<T>;

/** The port `Journal` of `@semel/client`, by its shape: this package needn't be installed with the client. */
export interface JournalPort {
  claim(record: SuiteRecord): Maybe<SuiteRecord>;
  update(record: SuiteRecord): Maybe<void>;
  settle(record: SuiteRecord): Maybe<void>;
  list(): Maybe<readonly SuiteRecord[]>;
  attach?(host: { required: boolean; report(error: unknown, record?: SuiteRecord): void }): void;
}

export interface OpenedJournal {
  /** Empty. */
  readonly journal: JournalPort;
  /** The same records as another page, tab or process sees them. Absent where they end with the page. */
  second?(): Maybe<JournalPort>;
  /** From here on the storage refuses every read and write. */
  break?(): Maybe<void>;
  /** Everything is deleted under the journal, as a user does who clears the site's data. */
  clear?(): Maybe<void>;
  close?(): Maybe<void>;
}

/** Opens a journal on a storage of its own. Called once for each case. */
export type MakeJournal = () => Maybe<OpenedJournal>;
