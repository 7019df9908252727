import { isOpen, type JournalRecord, nameOf } from '../../packages/client/src/journal/journal.ts';
import type { Storing } from '../../packages/client/src/journal/sturdy.ts';
import type { Owner, World } from './engine.ts';

export type Trouble = 'none' | 'full' | 'blocked' | 'slow' | 'hangs';

/** The database of one browser, which its tabs share and which outlives them. */
export interface Disk {
  readonly records: ReadonlyMap<string, JournalRecord>;
  trouble: Trouble;
  /** The user clears the browser's data. */
  clear(): void;
  /** As one tab reaches it. */
  of(owner: Owner): Storing;
}

/** Who wants to know what the disk does. */
export interface DiskWatch {
  /** A claim wasn't written down (in time): the tab goes on without it. */
  amnesia(record: JournalRecord): void;
  /** A record is taken out. */
  struck(record: JournalRecord, owner: Owner): void;
  changed(): void;
}

export function createDisk(world: World, watch: DiskWatch): Disk {
  const { random } = world;
  const records = new Map<string, JournalRecord>();
  const usual = random.pick([0.2, 0.2, 5]);

  const disk: Disk = {
    records,
    trouble: 'none',
    clear() {
      records.clear();
    },
    of(owner) {
      /** A transaction: what has been asked for happens though its tab dies, or not; then the tab hears of it. */
      const ask = <T>(
        act: () => T,
        writes: boolean,
        adds = false,
        claimed: readonly JournalRecord[] = [],
      ): Promise<T> =>
        new Promise((resolve, reject) => {
          const { trouble } = disk;
          const long = trouble === 'slow' && random.chance(0.5) ? random.between(100, 1_500) : 0;
          const there = random.between(0.01, usual) + long;
          const survives = random.chance(0.5);
          const broken = trouble === 'blocked' || (trouble === 'full' && adds);
          if (there > 900 || broken || trouble === 'hangs') for (const each of claimed) watch.amnesia(each);
          if (trouble === 'hangs') return;
          world.after(there, survives ? undefined : owner, () => {
            world.become(owner);
            const name = trouble === 'full' ? 'QuotaExceededError' : 'SecurityError';
            const answer = broken ? new DOMException(trouble, name) : act();
            world.log(() => `${owner.name} disk: ${broken ? trouble : act.name}`);
            if (!broken && writes) watch.changed();
            world.after(random.between(0.01, usual), owner, () =>
              answer instanceof DOMException ? reject(answer) : resolve(answer as T),
            );
          });
        });
      // As a database clones it (inputs are never changed here).
      const copy = (record: JournalRecord): JournalRecord => ({ ...record });
      return {
        claim: (group) => {
          const copies = group.map(copy);
          return ask(
            function claim() {
              return copies.map((record, i) => {
                const found = records.get(nameOf(record));
                if (!found) records.set(nameOf(record), record);
                return found ? copy(found) : (group[i] as JournalRecord);
              });
            },
            true,
            // What is there needs no room.
            copies.some((record) => !records.has(nameOf(record))),
            group,
          );
        },
        update(record) {
          const written = copy(record);
          return ask(
            function update() {
              if (isOpen(records.get(nameOf(written)), written)) records.set(nameOf(written), written);
            },
            true,
            true,
          );
        },
        settle(record) {
          return ask(function settle() {
            const found = records.get(nameOf(record));
            if (found?.key !== record.key) return;
            records.delete(nameOf(record));
            watch.struck(found, owner);
          }, true);
        },
        list: () =>
          ask(function list() {
            return [...records.values()].map(copy).sort((a, b) => a.createdAt - b.createdAt);
          }, false),
      };
    },
  };
  return disk;
}
