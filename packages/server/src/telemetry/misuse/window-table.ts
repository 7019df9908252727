import type { Hash } from './hash.ts';

/** What is remembered of one thing. The fields here are the table's own. */
export interface Entry {
  /** When its window began. */
  since: number;
  /** Grows when the place is given to another thing: whoever kept the entry over an await can tell. */
  life: number;
}

export interface WindowTable<E extends Entry> {
  /** What is remembered under a hash, made if need be: the place of what was seen longest ago is used again. */
  at(hash: Hash, now: number): E;
  /** Places in use. */
  readonly size: number;
}

/** Places that a hash may have. Four are filled evenly enough, and looked through in a few nanoseconds. */
const WAYS = 4;
/** Numbers that a place has in front: hash and time. */
const TAG = 3;
/** How exactly it is known what was seen longest ago; 2^31 of these are 6 years. */
const SEEN_MS = 100;

/**
 * A fixed number of places, each with a window of its own that begins when a thing is first seen: unlike windows on the
 * clock, none cuts a burst in two. Full, it forgets; it never grows, never sweeps and needs no timer.
 *
 * @param forget makes an entry like new, for another thing
 * @param turn begins the next window of the same thing
 */
export function createWindowTable<E extends Entry>(options: {
  readonly entries: number;
  readonly windowMs: number;
  readonly create: () => E;
  readonly forget: (entry: E) => void;
  readonly turn: (entry: E) => void;
}): WindowTable<E> {
  const { windowMs, create, forget, turn } = options;
  const sets = 2 ** Math.ceil(Math.log2(Math.max(1, options.entries / WAYS)));
  const places: (E | undefined)[] = Array.from({ length: sets * WAYS }, () => undefined);
  // Hash, and when it was seen last: apart from the entries and side by side, so that looking through a set touches one
  // line of memory, not one for each entry.
  const tags = new Int32Array(sets * WAYS * TAG);
  let size = 0;

  function take(place: number, { hi, lo }: Hash, now: number): E {
    let entry = places[place];
    if (entry === undefined) {
      entry = create();
      places[place] = entry;
      size++;
    } else {
      forget(entry);
    }
    tags[place * TAG] = hi;
    tags[place * TAG + 1] = lo;
    entry.since = now;
    entry.life++;
    return entry;
  }

  return {
    at(hash, now) {
      const { hi, lo } = hash;
      // Never 0, which is a place that was never used: longer ago than anything.
      const at = Math.trunc(now / SEEN_MS) + 1;
      const first = (lo & (sets - 1)) * WAYS;
      let place = first;
      let oldest = at + 1;
      for (let i = first; i < first + WAYS; i++) {
        const seen = tags[i * TAG + 2] as number;
        if (seen > 0 && tags[i * TAG] === hi && tags[i * TAG + 1] === lo) {
          const entry = places[i] as E;
          tags[i * TAG + 2] = at;
          if (now - entry.since >= windowMs) {
            entry.since = now;
            turn(entry);
          }
          return entry;
        }
        if (seen < oldest) {
          oldest = seen;
          place = i;
        }
      }
      tags[place * TAG + 2] = at;
      return take(place, hash, now);
    },
    get size() {
      return size;
    },
  };
}
