// For pages: the journal in localStorage.
export { webStorageJournal } from './journal/web-storage.ts';
