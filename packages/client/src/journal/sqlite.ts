import { type Journal, type JournalRecord, nameOf } from './journal.ts';
import { sturdy } from './sturdy.ts';
import { textOf } from './text.ts';

/** The part of `DatabaseSync` from `node:sqlite` that is used; `better-sqlite3` fits as well. */
export interface SqliteDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): {
    run(...values: string[]): { changes: number | bigint };
    get(...values: string[]): unknown;
    all(...values: string[]): unknown[];
  };
}

/**
 * A journal in a table of a SQLite database, `semel_operations`, which it makes: for services and desktop programs.
 * Several processes may share the file. Inputs, where `persistInput` allows them, are kept as JSON.
 *
 * @example sqliteJournal(new DatabaseSync('journal.db'))
 */
export function sqliteJournal(database: SqliteDatabase): Journal {
  // WAL and a wait, or a second process would get SQLITE_BUSY for a claim.
  database.exec(
    `pragma journal_mode = wal; pragma busy_timeout = 500;
     create table if not exists semel_operations (
       name text primary key, key text not null, record text not null) without rowid;`,
  );
  const insert = database.prepare(
    'insert into semel_operations (name, key, record) values (?, ?, ?) on conflict (name) do nothing',
  );
  const find = database.prepare('select record from semel_operations where name = ?');
  const change = database.prepare(
    `update semel_operations set record = ? where name = ? and key = ?
     and json_extract(record, '$.state') <> 'completed'`,
  );
  const remove = database.prepare('delete from semel_operations where name = ? and key = ?');
  const all = database.prepare('select record from semel_operations');
  const parse = (row: unknown): JournalRecord => JSON.parse((row as { record: string }).record);
  const claim = (record: JournalRecord): JournalRecord => {
    const name = nameOf(record);
    for (;;) {
      if (insert.run(name, record.key, textOf(record)).changes) return record;
      // Another process may strike it out between the two statements.
      const row = find.get(name);
      if (row) return parse(row);
    }
  };
  return sturdy({
    claim: (records) => records.map(claim),
    update: (record) => change.run(textOf(record), nameOf(record), record.key),
    settle: (record) => remove.run(nameOf(record), record.key),
    list: () => all.all().map(parse),
  });
}
