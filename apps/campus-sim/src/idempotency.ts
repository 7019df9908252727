import { type Answer, refusal } from './answer.ts';

/** What a key was used for, and what came of it. As it is written to the journal. */
export interface Remembered {
  readonly key: string;
  readonly fingerprint: string;
  readonly atMs: number;
  readonly status: number;
  readonly body: object;
}

export interface Asked {
  readonly key: string;
  readonly fingerprint: string;
  readonly nowMs: number;
}

export type Admission =
  | { readonly kind: 'begin' }
  | { readonly kind: 'replay'; readonly answer: Answer }
  | { readonly kind: 'refuse'; readonly answer: Answer };

export interface IdempotencyStore {
  /** `begin` marks the key as in use: `leave` must follow. The other kinds change nothing. */
  enter(asked: Asked): Admission;
  /** The result, for 24 hours. The key stays in use until its answer is on its way. */
  remember(result: Remembered): void;
  leave(key: string): void;
}

const DAY_MS = 86_400_000;

export function createIdempotencyStore(): IdempotencyStore {
  const results = new Map<string, Remembered>();
  const inUse = new Map<string, Asked>();
  return {
    enter(asked) {
      const stored = results.get(asked.key);
      const result = stored && asked.nowMs - stored.atMs < DAY_MS ? stored : undefined;
      if (stored && !result) results.delete(asked.key);
      const first = inUse.get(asked.key) ?? result;
      if (first && first.fingerprint !== asked.fingerprint) return { kind: 'refuse', answer: REUSED };
      if (inUse.has(asked.key)) return { kind: 'refuse', answer: IN_FLIGHT };
      if (result) return { kind: 'replay', answer: replayOf(result) };
      inUse.set(asked.key, asked);
      return { kind: 'begin' };
    },
    remember: (result) => void results.set(result.key, result),
    leave: (key) => void inUse.delete(key),
  };
}

const replayOf = ({ status, body }: Remembered): Answer => ({
  status,
  body,
  headers: { 'idempotency-replayed': 'true' },
});

const REUSED = refusal(422, 'key_reused', 'This Idempotency-Key was used for another request');
const IN_FLIGHT = refusal(409, 'in_flight', 'A request with this Idempotency-Key is still being processed', {
  'retry-after': '1',
});
