import type { SettledEntry } from './layer-entry.ts';
import type { OperationIdentity } from './port.ts';

/**
 * A layer in front of the authority: it saves time and decides nothing. Losing, flushing, lagging or confused, it may cost a
 * round trip, never a second execution, and it says nothing but "yes, this is settled": whatever else it might say is
 * asked of the authority. See docs/decisions/0017-layers-in-front-of-the-authority.md.
 *
 * For authors: no method throws or rejects, each answers within a bound of the layer's own, and whatever goes wrong is
 * `{ kind: 'none' }` and a report. Texts are opaque; who asks checks them.
 */
export interface Layer {
  /** A label of metrics and events: `process`, `redis`. */
  readonly name: string;

  /**
   * The settled entry, or who is at it, and if nobody: that `holder` is, for `holdMs`. All in one round trip. The holder
   * itself, asking again, is no stranger.
   */
  ask(identity: OperationIdentity, holder: Holder, holdMs: number): LayerAnswer | Promise<LayerAnswer>;

  /**
   * Keeps an entry for `ms`, in place of whoever was at it, and wakes who waits. Not where `forget` was called
   * lately. What leaves the process goes as `text`, which shows when it was changed.
   */
  keep(identity: OperationIdentity, text: string, ms: number, entry: SettledEntry): void | Promise<void>;

  /** Forgets an entry, and takes none for this identity for as long as a slow reader could still bring it (`ms`). */
  forget(identity: OperationIdentity, ms: number): void | Promise<void>;

  /** Still at it. Refused to an attempt that a later one has followed. */
  renew?(identity: OperationIdentity, holder: Holder, holdMs: number): void | Promise<void>;

  /** No longer at it: only if it is this holder's, and then who waits is woken. */
  release?(identity: OperationIdentity, holder: Holder): void | Promise<void>;

  /** Resolves when something may have changed, at the latest after `ms`. */
  changed?(identity: OperationIdentity, ms: number): Promise<void>;

  /** Where to report to; called once, before anything else. */
  watch?(report: (report: LayerReport) => void): void;
}

/** Who is at an operation: the owner of one request's execution, and the attempt where it is known (0 before the claim). */
export interface Holder {
  readonly owner: string;
  readonly attempt: number;
}

export type LayerAnswer =
  | { readonly kind: 'entry'; readonly text: string }
  /** An entry that has never left the process. */
  | { readonly kind: 'known'; readonly entry: SettledEntry }
  /** Somebody else is at it. */
  | { readonly kind: 'held' }
  /** Nothing known. `held`: from now on the asker is at it, and gives it back by `keep` or `release`. */
  | { readonly kind: 'none'; readonly held: boolean };

/** A layer that stopped being asked, and one that is asked again. */
export type LayerReport = { readonly kind: 'opened'; readonly cause: unknown } | { readonly kind: 'closed' };

export const NOTHING_KNOWN: LayerAnswer = { kind: 'none', held: false };
