import { IntentConflictError } from '../errors.ts';
import { type Book, recordsOf } from '../journal/book.ts';
import type { JournalRecord } from '../journal/journal.ts';

/** What names an intent beside its name: ids of what it's about. */
export type IntentParts = readonly (string | number | boolean)[];

/**
 * One thing that a user wants done: "check out this cart". However often it's run (a double click, after a reload, in a
 * second tab), it's one action under one key, as long as the journal is kept. Called on several procedures it's one
 * action on each of them.
 */
export interface Intent {
  /** Name and parts as one string. */
  readonly id: string;
  /**
   * What the journal knows of it: nothing if it's new, or was refused; `completed`, if it's done; else it's open.
   * One record for each procedure that was called with it.
   */
  records(): Promise<readonly JournalRecord[]>;
  /**
   * Makes the next run a new action, under a new key. Wait for it before that.
   *
   * @param options `force`: also if nobody knows what became of the last one. It may have happened.
   * @throws IntentConflictError while something is under it that isn't settled, unless forced
   */
  next(options?: { force?: boolean }): Promise<void>;
}

export function createIntent(book: Book, name: string, parts: IntentParts = []): Intent {
  // Two carts whose id isn't there yet would be one.
  if (parts.some((part) => part == null || Number.isNaN(part)))
    throw new TypeError(`intent ${name}: a part is missing`);
  const id = name + JSON.stringify(parts);
  const records = async () => (await recordsOf(book)).filter(({ intent }) => intent === id);
  return {
    id,
    records,
    async next({ force = false } = {}) {
      const all = await records();
      const open = all.find(({ state }) => state !== 'completed');
      if (open && !force) throw new IntentConflictError(open);
      for (const record of all) await book.journal.settle(record);
    },
  };
}

/** An intent, or its id, as a call names it. */
export const intentId = (intent: Intent | string | undefined): string | undefined =>
  typeof intent === 'object' ? intent.id : intent;
