import type { IdempotencyKey } from '@semel/contract/v1/pure';
import type { Clock } from '../clock.ts';
import type { Book } from '../journal/book.ts';
import { assertKey } from '../wire.ts';
import { fingerprintOf } from './fingerprint.ts';
import { type Intent, intentId } from './intent.ts';

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

/** 18 bytes in base64: no padding, so that many drawn together fall apart into keys. */
const KEY_LENGTH = 24;

/**
 * Makes keys: 18 random bytes each, as base64url. `getRandomValues` is there in insecure contexts too, where `randomUUID`
 * isn't; asking it costs more than all else that is done for a key, so it's asked for some keys at a time. For no longer than a
 * second: copies of a process that was frozen must not go on with the same keys.
 */
export function createKeys({ now }: Clock): () => string {
  let keys = '';
  let until = 0;
  return () => {
    if (!keys || now() > until) {
      const bytes = crypto.getRandomValues(new Uint8Array(16 * 18));
      keys = btoa(String.fromCharCode(...bytes))
        .replaceAll('+', '-')
        .replaceAll('/', '_');
      until = now() + 1000;
    }
    const key = keys.slice(0, KEY_LENGTH);
    keys = keys.slice(KEY_LENGTH);
    return key;
  };
}

export interface Actions {
  /**
   * The action that a call belongs to, with what is to be written down of it.
   *
   * @param source the object that says which action it is, where neither a key nor an intent does
   * @throws TypeError for an explicit key that isn't valid
   */
  of(
    path: string,
    input: unknown,
    explicit: string | IdempotencyKey | undefined,
    intent?: Intent | string,
    source?: unknown,
  ): Action;
  /** The action is settled: the next call with its input is a new one. */
  end(action: Action): void;
}

/**
 * Chooses the key: an explicit one, else the intent's (which the journal keeps), else the one that the same input
 * reference got before (a TanStack retry calls again with the very same object), else a new one. Nothing here renews a
 * key: only a settled outcome ends it.
 *
 * @param isKept the application has a journal, so other calls may have to be told from this one
 */
export function createActions(
  { clock, journal, scope, persistInput }: Book & { persistInput?: (path: string) => boolean },
  warn: (code: 'missing_scope', path: string) => void,
  isKept: boolean,
): Actions {
  const bySource = new WeakMap<object, Map<string, Action>>();
  const newKey = createKeys(clock);
  return {
    of(path, input, explicit, given, source) {
      const { key, ageMs = 0 } = typeof explicit === 'object' ? explicit : { key: explicit ?? newKey() };
      assertKey(key);
      const intent = explicit === undefined ? intentId(given) : undefined;
      // A key with an age has been sent by somebody already.
      const lost = ageMs > 0;
      let action: Action = {
        path,
        intent,
        key,
        createdAt: clock.now() - ageMs,
        madeAt: clock.monotonic() - ageMs,
        attempts: Number(lost),
        lost,
      };
      if ((explicit ?? intent) === undefined && typeof source === 'object' && source) {
        const byPath = bySource.get(source) ?? new Map<string, Action>();
        action = byPath.get(path) ?? { ...action, source };
        bySource.set(source, byPath.set(path, action));
      }
      if (journal.attach && scope === undefined) warn('missing_scope', path);
      if (isKept || intent !== undefined) action.fingerprint = fingerprintOf(input);
      if (isKept && persistInput?.(path)) action.input = input;
      return action;
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
