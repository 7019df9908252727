import { mkdirSync, readFileSync, truncateSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';

/** An append-only file of JSON lines: what it has acknowledged survives a kill of the process and of the machine. */
export interface Journal<Entry> {
  /** What was there at the start, oldest first. */
  readonly entries: readonly Entry[];
  /** Resolves when this entry, and all before it, are on disk. Rejects for good once a write failed. */
  append(entry: Entry): Promise<void>;
  /** Resolves when all entries so far are on disk. */
  flushed(): Promise<void>;
  close(): Promise<void>;
}

/** Without a file it remembers nothing and acknowledges at once. */
export async function openJournal<Entry>(file: string | undefined): Promise<Journal<Entry>> {
  if (file === undefined) {
    const nothing = async () => {};
    return { entries: [], append: nothing, flushed: nothing, close: nothing };
  }
  mkdirSync(dirname(file), { recursive: true });
  const entries = recover<Entry>(file);
  const handle = await open(file, 'a');
  await syncDirectory(dirname(file)); // otherwise a crash may lose the new file's name
  return { entries, ...createWriter<Entry>(handle) };
}

/** One write and one fsync for all that came together while the last one ran. */
function createWriter<Entry>(handle: FileHandle): Omit<Journal<Entry>, 'entries'> {
  let waiting: string[] = [];
  let current: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;

  const write = async (): Promise<void> => {
    const lines = waiting.join('');
    waiting = [];
    next = undefined;
    await handle.appendFile(lines);
    await handle.datasync();
  };
  return {
    append(entry) {
      waiting.push(`${JSON.stringify(entry)}\n`);
      // A failed write fails all later ones as well: `then` without a second handler. No gap can appear.
      if (!next) {
        next = current.then(write);
        current = next;
        current.catch(() => {}); // told to those who wait for it
      }
      return next;
    },
    flushed: () => current,
    close: async () => {
      await current.catch(() => {});
      await handle.close();
    },
  };
}

/** Reads the file. A last line without its end was never acknowledged (its write was cut): it is removed. */
function recover<Entry>(file: string): Entry[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  const end = bytes.lastIndexOf(10) + 1;
  if (end < bytes.length) truncateSync(file, end);
  const lines = bytes.subarray(0, end).toString('utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Entry);
}

async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return; // a directory can't be opened there
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
