import type { IdempotencyKey } from '@semel/contract/v1/pure';
import type { Clock } from '../clock.ts';
import { assertKey } from '../wire.ts';

/** One user action. The members that its record has too are named as there. */
export interface Action {
  readonly path: string;
  readonly intent: string | undefined;
  /** An intent's, until the journal has said under which it was begun. */
  key: string;
  /** When the key was made, by the wall clock. */
  createdAt: number;
  /** The same moment by the clock that only grows. */
  madeAt: number;
  /** How often it has been sent. */
  attempts: number;
  /** Tells apart what it was called with, where that is needed. */
  fingerprint?: string;
  /** Where it may be written down. */
  input?: unknown;
  /** The object that it was called with, where that says which action it is. */
  readonly source?: object;
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
  const bySource = new WeakMap<object, Map<string, Action>>();
  return {
    of(path, input, explicit, intent) {
      const { key, ageMs = 0 } = typeof explicit === 'object' ? explicit : { key: explicit ?? newKey() };
      assertKey(key);
      // A key with an age has been sent by somebody already.
      const lost = ageMs > 0;
      const action: Action = {
        path,
        intent: explicit === undefined ? intent : undefined,
        key,
        createdAt: clock.now() - ageMs,
        madeAt: clock.monotonic() - ageMs,
        attempts: Number(lost),
        lost,
      };
      if ((explicit ?? intent) !== undefined || typeof input !== 'object' || !input) return action;
      const paths = bySource.get(input) ?? new Map<string, Action>();
      const known = paths.get(path) ?? { ...action, source: input };
      bySource.set(input, paths.set(path, known));
      return known;
    },
    end({ source, path }) {
      if (source) bySource.get(source)?.delete(path);
    },
  };
}

/**
 * How old a key is, by whichever clock says more. The wall clock can be set back and the monotonic one stops
 * while a laptop sleeps; an age that is too small could make a server run an operation again that it has
 * forgotten, one that is too large only makes it more careful.
 */
export const ageOf = ({ createdAt, madeAt }: Action, clock: Clock): number =>
  Math.max(clock.now() - createdAt, clock.monotonic() - madeAt);
