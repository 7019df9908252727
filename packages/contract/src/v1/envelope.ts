import { assertValidKey, type IdempotencyKey, isValidKey } from './key.ts';

/** The input of a call on a connection without headers per call (WebSocket), with its key beside it. */
export interface InputEnvelope {
  $idempotency: { key: string; ageMs?: number };
  input: unknown;
}

export type Unwrapped =
  | { enveloped: false }
  | { enveloped: true; ok: true; key: IdempotencyKey; input: unknown }
  | { enveloped: true; ok: false; reason: string };

/** Puts the key beside the input. @throws TypeError for a key that `isValidKey` refuses. */
export function wrapInput(key: IdempotencyKey, input: unknown): InputEnvelope {
  assertValidKey(key.key);
  const mark = key.ageMs === undefined ? { key: key.key } : { key: key.key, ageMs: Math.max(0, key.ageMs) };
  return { $idempotency: mark, input };
}

/**
 * Takes key and input apart again. An input without a top-level `$idempotency` is none of ours (`enveloped: false`);
 * with one, anything else than exactly the envelope is malformed: passing it on would hand the procedure a
 * different input than its caller meant. Never throws.
 */
export function unwrapInput(raw: unknown): Unwrapped {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return { enveloped: false };
  if (!Object.hasOwn(raw, '$idempotency')) return { enveloped: false };
  const bad = (reason: string): Unwrapped => ({ enveloped: true, ok: false, reason });
  const { $idempotency: mark, ...rest } = raw as { $idempotency: unknown; input?: unknown };
  if (Object.keys(rest).some((member) => member !== 'input')) {
    return bad('an input envelope has no members but $idempotency and input');
  }
  if (typeof mark !== 'object' || mark === null || Array.isArray(mark))
    return bad('$idempotency is not an object');
  const { key, ageMs } = mark as { key?: unknown; ageMs?: unknown };
  if (typeof key !== 'string' || !isValidKey(key)) {
    return bad('$idempotency.key is not 1 to 255 characters of visible ASCII');
  }
  if (ageMs === undefined) return { enveloped: true, ok: true, key: { key }, input: rest.input };
  if (typeof ageMs !== 'number' || !Number.isFinite(ageMs) || ageMs < 0) {
    return bad('$idempotency.ageMs is not a number of milliseconds');
  }
  return { enveloped: true, ok: true, key: { key, ageMs }, input: rest.input };
}
