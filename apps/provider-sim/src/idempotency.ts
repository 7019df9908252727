import { type Answer, errorAnswer } from './answer.ts';

/** What a key was used for, and what came of it. As it is written to the journal. */
export interface Remembered {
  /** API key and idempotency key: nobody sees another account's results. */
  readonly scopedKey: string;
  readonly path: string;
  readonly fingerprint: string;
  readonly atMs: number;
  readonly status: number;
  readonly body: object;
  readonly headers?: Readonly<Record<string, string>>;
  readonly requestId: string;
  /** Decides how a replay is delivered. */
  readonly customer: string | null;
}

export interface Asked {
  readonly scopedKey: string;
  readonly key: string;
  readonly path: string;
  readonly fingerprint: string;
  readonly nowMs: number;
}

export type Admission =
  | { readonly kind: 'begin' }
  | { readonly kind: 'replay'; readonly answer: Answer; readonly customer: string | null }
  | { readonly kind: 'refuse'; readonly answer: Answer };

export interface IdempotencyStore {
  /** `begin` marks the key as in use: `leave` must follow. The other kinds change nothing. */
  enter(asked: Asked): Admission;
  /** The result, for 24 hours. The key stays in use until its answer is on its way. */
  remember(result: Remembered): void;
  leave(scopedKey: string): void;
}

const DAY_MS = 86_400_000;

export function createIdempotencyStore(): IdempotencyStore {
  const results = new Map<string, Remembered>();
  const inUse = new Map<string, Asked>();

  return {
    enter(asked) {
      const stored = results.get(asked.scopedKey);
      const result = stored && asked.nowMs - stored.atMs < DAY_MS ? stored : undefined;
      if (stored && !result) results.delete(asked.scopedKey);
      const first = inUse.get(asked.scopedKey) ?? result;
      const difference = first && differenceOf(first, asked);
      if (difference) return { kind: 'refuse', answer: difference };
      if (inUse.has(asked.scopedKey)) return { kind: 'refuse', answer: KEY_IN_USE };
      if (result) return { kind: 'replay', answer: replayOf(result), customer: result.customer };
      inUse.set(asked.scopedKey, asked);
      return { kind: 'begin' };
    },
    remember: (result) => void results.set(result.scopedKey, result),
    leave: (scopedKey) => void inUse.delete(scopedKey),
  };
}

const KEY_IN_USE = errorAnswer(
  409,
  'idempotency_error',
  'There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, and the other request is still going through).',
  { code: 'idempotency_key_in_use' },
);

const replayOf = ({ status, body, headers, requestId }: Remembered): Answer => ({
  status,
  body,
  headers: { ...headers, 'idempotent-replayed': 'true', 'original-request': requestId },
});

function differenceOf(first: Asked | Remembered, asked: Asked): Answer | undefined {
  const advice = `Try using a key other than '${asked.key}' if you meant to execute a different request.`;
  if (first.path !== asked.path) {
    const message = `Keys for idempotent requests can only be used for the same endpoint they were first used for ('${first.path}' vs '${asked.path}'). ${advice}`;
    return errorAnswer(400, 'idempotency_error', message);
  }
  if (first.fingerprint !== asked.fingerprint) {
    const message = `Keys for idempotent requests can only be used with the same parameters they were first used with. ${advice}`;
    return errorAnswer(400, 'idempotency_error', message);
  }
  return undefined;
}
