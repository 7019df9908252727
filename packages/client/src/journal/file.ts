import { createHash, randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isOpen, type Journal, type JournalRecord, nameOf } from './journal.ts';
import { sturdy } from './sturdy.ts';
import { textOf } from './text.ts';

/**
 * A journal in a directory, a file for each record: for services and command lines. Several processes may share it: a
 * record is written beside, synced, and linked into place, which succeeds once. The directory is made, readable by its
 * owner alone. Inputs, where `persistInput` allows them, are kept as JSON.
 */
export function fileJournal(directory: string): Journal {
  const fileOf = (record: JournalRecord) =>
    join(directory, `${createHash('sha256').update(nameOf(record)).digest('hex')}.json`);
  const read = async (file: string): Promise<JournalRecord | undefined> => {
    try {
      return JSON.parse(await readFile(file, 'utf8'));
    } catch (error) {
      // Struck out by another process, or no record at all.
      if (error instanceof SyntaxError || (error as { code?: string }).code === 'ENOENT') return undefined;
      throw error;
    }
  };
  /** A whole record under a name that nobody reads. */
  const beside = async (record: JournalRecord) => {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const file = join(directory, `${randomUUID()}.tmp`);
    const handle = await open(file, 'wx', 0o600);
    try {
      await handle.writeFile(textOf(record));
      await handle.sync();
    } finally {
      await handle.close();
    }
    return file;
  };
  const claim = async (record: JournalRecord): Promise<JournalRecord> => {
    const file = fileOf(record);
    const draft = await beside(record);
    try {
      // It may be struck out between the two steps; what can never be read is a broken disk.
      for (let tries = 0; tries < 10; tries++) {
        try {
          await link(draft, file);
          return record;
        } catch (error) {
          if ((error as { code?: string }).code !== 'EEXIST') throw error;
        }
        const found = await read(file);
        if (found) return found;
      }
      throw new Error(`${file} is no record`);
    } finally {
      await rm(draft, { force: true });
    }
  };
  // One after the other, or an update that comes late could bring back what a settlement has struck out.
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(act: () => Promise<T>): Promise<T> => {
    const result = last.then(act);
    last = result.catch(() => {});
    return result;
  };
  return sturdy({
    claim: (records) => inTurn(() => Promise.all(records.map(claim))),
    update: (record) =>
      inTurn(async () => {
        const file = fileOf(record);
        if (isOpen(await read(file), record)) await rename(await beside(record), file);
      }),
    settle: (record) =>
      inTurn(async () => {
        const file = fileOf(record);
        if ((await read(file))?.key === record.key) await rm(file, { force: true });
      }),
    list: () =>
      inTurn(async () => {
        const names = await readdir(directory).catch(() => []);
        const files = names.filter((name) => name.endsWith('.json')).map((name) => join(directory, name));
        return (await Promise.all(files.map(read))).filter((record) => record !== undefined);
      }),
  });
}
