// The journal as one client sees it: the pages of its own user, for its own server.
import type { Clock } from '../clock.ts';
import type { Journal, JournalRecord } from './journal.ts';

/** The journal of a client, and whose pages are its own. */
export interface Book {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly scope?: string | (() => string | undefined) | undefined;
  readonly deployment?: string | undefined;
}

/** Whose records are written now. */
export const ownerOf = ({ scope, deployment }: Book): Pick<JournalRecord, 'scope' | 'deployment'> => ({
  scope: typeof scope === 'function' ? scope() : scope,
  deployment,
});

/** Whether the server may have forgotten a key. */
export const isLate = ({ clock }: Pick<Book, 'clock'>, { expiresAt = Infinity }: JournalRecord): boolean =>
  clock.now() > expiresAt;

/** What is there of this user and deployment, oldest first. */
export async function recordsOf(book: Book): Promise<JournalRecord[]> {
  const own = ownerOf(book);
  const found: JournalRecord[] = [];
  for (const record of await book.journal.list()) {
    if (record.scope !== own.scope || record.deployment !== own.deployment) continue;
    // Done, and its key is over: nobody needs it any more.
    if (record.state === 'completed' && isLate(book, record)) await book.journal.settle(record);
    else found.push(record);
  }
  return found;
}
