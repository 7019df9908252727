import type { JournalRecord } from './journal.ts';

/** A record as JSON; without its input if that has no such form (a bigint): its key matters more. */
export function textOf(record: JournalRecord): string {
  try {
    return JSON.stringify(record);
  } catch {
    return JSON.stringify({ ...record, input: undefined });
  }
}
