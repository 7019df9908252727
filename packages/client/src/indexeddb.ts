// For pages: the journal in IndexedDB.
export { type IndexedDbJournalOptions, indexedDbJournal } from './journal/indexeddb.ts';
