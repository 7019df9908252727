import { type Holder, type Layer, type LayerAnswer, NOTHING_KNOWN } from './layer.ts';
import type { SettledEntry } from './layer-entry.ts';
import { identityKey, type OperationIdentity } from './port.ts';

export interface ProcessLayerOptions {
  /** Outcomes kept at most; the one that was asked for longest ago goes first. @default 10_000 */
  readonly maxEntries?: number;
  /** Memory for them, by two bytes a character. @default 33_554_432 (32 MiB) */
  readonly maxBytes?: number;
  /** How long one is kept, and so how long after a purge elsewhere this process may still replay. @default 60_000 */
  readonly maxAgeMs?: number;
  /** Monotonic milliseconds. @default performance.now */
  readonly clock?: () => number;
}

/** A layer that answers at once. */
export interface ProcessLayer extends Layer {
  ask(identity: OperationIdentity, holder: Holder, holdMs: number): LayerAnswer;
  keep(identity: OperationIdentity, text: string, ms: number, entry: SettledEntry): void;
  forget(identity: OperationIdentity, ms: number): void;
}

interface Kept {
  /** Absent: forgotten lately, and no entry is taken. */
  readonly entry: SettledEntry | undefined;
  readonly until: number;
}

/**
 * Settled outcomes in this process: a replay without any round trip. Bounded by entries, bytes and age. Duplicates of a
 * call that still runs join it before any layer is asked.
 *
 * @example createSemel({ store, layers: [createProcessLayer(), createRedisLayer({ connection: 'redis://…' })] })
 * @throws TypeError for a bound that is none
 */
export function createProcessLayer(options: ProcessLayerOptions = {}): ProcessLayer {
  const {
    maxEntries = 10_000,
    maxBytes = 32 * 1024 * 1024,
    maxAgeMs = 60_000,
    clock = () => performance.now(),
  } = options;
  for (const [name, value] of Object.entries({ maxEntries, maxBytes, maxAgeMs })) {
    if (!Number.isFinite(value) || value <= 0)
      throw new TypeError(`createProcessLayer: ${name} is a positive number`);
  }
  // A Map remembers in which order its keys were set: the first one is the one that was used longest ago.
  const kept = new Map<string, Kept>();
  let bytes = 0;

  function drop(place: string): void {
    const found = kept.get(place);
    if (found === undefined) return;
    kept.delete(place);
    bytes -= sizeOf(place, found.entry);
  }

  function put(place: string, entry: SettledEntry | undefined, ms: number): void {
    const size = sizeOf(place, entry);
    drop(place);
    if (size > maxBytes) return;
    kept.set(place, { entry, until: clock() + ms });
    bytes += size;
    for (const oldest of kept.keys()) {
      if (kept.size <= maxEntries && bytes <= maxBytes) break;
      drop(oldest);
    }
  }

  function find(place: string): Kept | undefined {
    const found = kept.get(place);
    if (found === undefined || clock() < found.until) return found;
    drop(place);
    return undefined;
  }

  return {
    name: 'process',
    ask(identity) {
      const place = identityKey(identity);
      const found = find(place);
      if (found?.entry === undefined) return NOTHING_KNOWN;
      kept.delete(place);
      kept.set(place, found);
      return { kind: 'known', entry: found.entry };
    },
    keep(identity, _text, ms, entry) {
      const place = identityKey(identity);
      const found = find(place);
      if (found !== undefined && found.entry === undefined) return;
      put(place, entry, Math.min(ms, maxAgeMs));
    },
    forget(identity, ms) {
      put(identityKey(identity), undefined, ms);
    },
  };
}

/** The identity twice, the outcome, and what is short or the same for all. */
const sizeOf = (place: string, entry: SettledEntry | undefined): number =>
  4 * place.length + 2 * (entry?.outcome.length ?? 0) + 500;
