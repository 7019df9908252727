import type { Emit } from '../telemetry/events.ts';
import type { LayerAnswered } from '../telemetry/metrics.ts';
import { type Holder, type Layer, type LayerAnswer, NOTHING_KNOWN } from './layer.ts';
import {
  type EntrySeal,
  entryFromText,
  isServable,
  type SettledEntry,
  textFromEntry,
} from './layer-entry.ts';
import type { OperationIdentity } from './port.ts';
import { createTurnEnd } from './turn-end.ts';

/** An entry is read again at least this often; and a purge that a layer has not heard of is forgotten with it. */
const MAX_KEEP_MS = 60 * 60_000;
/** Larger outcomes are replayed from the authority: a layer is for the many small ones. */
const MAX_CHARS = 1_000_000;
/** What nobody renews is not believed for longer. */
const MAX_HOLD_MS = 60_000;

/** What an answer is to the metrics where it is no use. */
const UNANSWERED = { held: 'held', none: 'miss', entry: 'rejected', known: 'rejected' } as const;

export type Asked =
  | { readonly kind: 'settled'; readonly entry: SettledEntry; readonly layer: string }
  /** Somebody is at it; `changed` resolves when asking again makes sense, at the latest after `ms`. */
  | { readonly kind: 'held'; changed(ms: number): Promise<void> }
  | { readonly kind: 'none' };

/** All layers of a process, nearest first, as the engine asks them. Nothing here throws or rejects. */
export interface Layers {
  ask(identity: OperationIdentity, owner: string, holdMs: number): Promise<Asked>;
  /** To be called when a request that asked has got its answer; tells the others if it was at it and nothing was settled. */
  done(identity: OperationIdentity, owner: string): void;
  /** A commit was acknowledged, or the authority has shown the record. @param leftMs until it expires */
  keep(entry: SettledEntry, leftMs: number, owner?: string): void;
  renew(identity: OperationIdentity, holder: Holder, holdMs: number): void;
  forget(identity: OperationIdentity): Promise<void>;
}

export interface LayersOptions {
  /** Nearest first. */
  readonly layers: readonly Layer[];
  readonly seal: EntrySeal;
  readonly emit: Emit;
  readonly answered: LayerAnswered;
  /** Epoch milliseconds. @default Date.now */
  readonly clock?: () => number;
}

export function createLayers({ layers, seal, emit, answered, clock = Date.now }: LayersOptions): Layers {
  /** By owner: the layers in which a request of this process is at it. */
  const holding = new Map<string, Layer[]>();
  const turnEnd = createTurnEnd();
  for (const layer of layers) {
    layer.watch?.((report) =>
      emit(
        report.kind === 'opened'
          ? { type: 'layer_opened', layer: layer.name, error: report.cause }
          : { type: 'layer_closed', layer: layer.name },
      ),
    );
  }

  function entryOf(answer: LayerAnswer, identity: OperationIdentity): SettledEntry | undefined {
    if (answer.kind === 'entry') return entryFromText(answer.text, identity, seal, clock());
    return answer.kind === 'known' && isServable(answer.entry, identity, clock()) ? answer.entry : undefined;
  }

  function bringNearer(index: number, text: string, entry: SettledEntry): void {
    if (index === 0) return;
    const leftMs = entry.expiresAt - clock();
    for (const nearer of layers.slice(0, index)) void quietly(() => nearer.keep(entry, text, leftMs, entry));
  }

  return {
    async ask(identity, owner, holdMs) {
      const holder = { owner, attempt: 0 };
      const ms = Math.min(holdMs, MAX_HOLD_MS);
      for (let index = 0; index < layers.length; index++) {
        const layer = layers[index] as Layer;
        let answer: LayerAnswer;
        try {
          const asked = layer.ask(identity, holder, ms);
          // A layer inside the process answers at once: what it doesn't know costs nobody a turn.
          answer = 'kind' in asked ? asked : await asked;
        } catch {
          // One that breaks its promise not to throw costs time like any other.
          answer = NOTHING_KNOWN;
        }
        const entry = entryOf(answer, identity);
        answered(layer.name, entry !== undefined ? 'hit' : UNANSWERED[answer.kind]);
        if (entry !== undefined) {
          if (answer.kind === 'entry') bringNearer(index, answer.text, entry);
          // What came over a network has come with others'; what was here all the time is answered with others' too.
          else await turnEnd();
          return { kind: 'settled', entry, layer: layer.name };
        }
        if (answer.kind === 'held') {
          return { kind: 'held', changed: async (ms) => quietly(() => layer.changed?.(identity, ms)) };
        }
        if (answer.kind === 'none' && answer.held) {
          const held = holding.get(owner) ?? [];
          if (!held.includes(layer)) holding.set(owner, [...held, layer]);
        }
      }
      return { kind: 'none' };
    },
    done(identity, owner) {
      // After a replay nothing is held, and to look an owner up that was never put in costs more than to see that nobody is.
      if (holding.size === 0) return;
      const held = holding.get(owner);
      if (held === undefined) return;
      holding.delete(owner);
      for (const layer of held) void quietly(() => layer.release?.(identity, { owner, attempt: 0 }));
    },
    keep(entry, leftMs, owner) {
      const ms = Math.floor(Math.min(leftMs, MAX_KEEP_MS));
      if (ms <= 0 || entry.outcome.length > MAX_CHARS) return;
      // The entry takes the place of whoever was at it.
      if (owner !== undefined) holding.delete(owner);
      const text = textFromEntry(entry, seal);
      for (const layer of layers) void quietly(() => layer.keep(entry, text, ms, entry));
    },
    renew(identity, holder, holdMs) {
      for (const layer of holding.get(holder.owner) ?? []) {
        void quietly(() => layer.renew?.(identity, holder, Math.min(holdMs, MAX_HOLD_MS)));
      }
    },
    async forget(identity) {
      await Promise.all(layers.map((layer) => quietly(() => layer.forget(identity, MAX_KEEP_MS))));
    },
  };
}

async function quietly(tell: () => void | Promise<void> | undefined): Promise<void> {
  try {
    await tell();
  } catch {
    // As when it is asked.
  }
}
