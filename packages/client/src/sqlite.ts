// For services and desktop programs: the journal in SQLite.
export { type SqliteDatabase, sqliteJournal } from './journal/sqlite.ts';
