import type { Journal, JournalRecord } from '../journal/journal.ts';

/** What tells of a record who is at it. */
export interface Held {
  readonly state: string;
  readonly owner?: string | undefined;
  readonly leaseUntil?: number | undefined;
}

/** How the tabs of one browser keep out of each other's way. Made by `browserTabs()`. */
export interface Tabs {
  /** Names this page's life; made in memory, since `window.open` copies `sessionStorage`. */
  readonly id: string;
  /** Others can tell from here on whether this tab lives. */
  readonly ready: Promise<unknown>;
  /** Whether another tab is at it, or was when it died. */
  isOthers(record: Held | undefined): boolean;
  /**
   * Waits until it's this tab's turn with a record that another works on: that has finished, or is gone. Never throws.
   *
   * @param record as it was found
   * @param take writes this tab down as its owner
   * @param tell hears `joined`, and `takeover` if it comes to that
   * @returns whether it was taken over
   */
  turn(
    record: JournalRecord,
    journal: Pick<Journal, 'list'>,
    take: () => unknown,
    signal: AbortSignal,
    tell: (event: { type: 'joined'; by: 'tab' } | { type: 'takeover' }) => void,
  ): Promise<boolean>;
  /** Tells the others that this tab has finished with a record: with this key of it, another may go on under the same name. */
  tell(name: string, key: string): void;
  /** Ends listening and lets the locks go. */
  close(): void;
}
