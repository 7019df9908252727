// For services and command lines: the journal in a directory.
export { fileJournal } from './journal/file.ts';
