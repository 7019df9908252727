import { assertValidKey, type IdempotencyKey } from '@semel/contract/v1/pure';
import { type Clock, type Moment, momentOf } from '../clock.ts';

/** One user action: its key, when that was made, and how often it has been sent. */
export interface Action {
  readonly path: string;
  /** An intent's, until the journal has said under which it was begun. */
  key: string;
  made: Moment;
  readonly intent?: string | undefined;
  readonly input?: object;
  /** Tells apart what it was called with, where that is needed. */
  fingerprint?: string;
  /** Its input, where it may be written down. */
  kept?: unknown;
  sent: number;
  /** It was sent, and nobody knows what became of that. */
  lost: boolean;
}

/** 18 random bytes as base64url. `getRandomValues` is there in insecure contexts too, where `randomUUID` isn't. */
export const newKey = (): string =>
  btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(18))))
    .replaceAll('+', '-')
    .replaceAll('/', '_');

export interface Actions {
  /** The action that a call belongs to. @throws TypeError for an explicit key that isn't valid */
  of(path: string, input: unknown, explicit: string | IdempotencyKey | undefined, intent?: string): Action;
  /** The action is settled: the next call with its input is a new one. */
  end(action: Action): void;
}

/**
 * Chooses the key: an explicit one, else the intent's (which the journal keeps), else the one that the same input
 * reference got before (a TanStack retry calls again with the very same object), else a new one. Nothing here renews a
 * key: only a settled outcome ends it.
 */
export function createActions(clock: Clock): Actions {
  const byInput = new WeakMap<object, Map<string, Action>>();
  return {
    of(path, input, explicit, intent) {
      const isNew = explicit === undefined;
      const { key, ageMs = 0 } = typeof explicit === 'object' ? explicit : { key: explicit ?? newKey() };
      assertValidKey(key);
      // A key with an age has been sent by somebody already.
      const lost = ageMs > 0;
      const made = momentOf(clock, ageMs);
      const action: Action = {
        path,
        key,
        made,
        intent: isNew ? intent : undefined,
        sent: Number(lost),
        lost,
      };
      if (!isNew || intent !== undefined || typeof input !== 'object' || !input) return action;
      const paths = byInput.get(input) ?? new Map<string, Action>();
      const known = paths.get(path) ?? Object.assign(action, { input });
      byInput.set(input, paths.set(path, known));
      return known;
    },
    end({ input, path }) {
      if (input) byInput.get(input)?.delete(path);
    },
  };
}
