import type { Clock } from '../clock.ts';
import type { Journal, JournalRecord } from './journal.ts';

/** The journal as one client sees it: the pages of its own user, for its own server. */
export interface Book {
  readonly journal: Journal;
  /** Whose records are written now. */
  owner(): { scope: string | undefined; deployment: string | undefined };
  /** What is there of this user and deployment, oldest first. */
  mine(): Promise<JournalRecord[]>;
}

/** Whether the server may have forgotten a key. */
export const isLate = (clock: Clock, { expiresAt = Infinity }: JournalRecord): boolean =>
  clock.now() > expiresAt;

export function createBook(
  journal: Journal,
  clock: Clock,
  scope: string | (() => string | undefined) | undefined,
  deployment: string | undefined,
): Book {
  const owner = () => ({ scope: typeof scope === 'function' ? scope() : scope, deployment });
  return {
    journal,
    owner,
    async mine() {
      const own = owner();
      const found: JournalRecord[] = [];
      for (const record of await journal.list()) {
        if (record.scope !== own.scope || record.deployment !== own.deployment) continue;
        // Done, and its key is over: nobody needs it any more.
        if (record.state === 'completed' && isLate(clock, record)) await journal.settle(record);
        else found.push(record);
      }
      return found;
    },
  };
}
