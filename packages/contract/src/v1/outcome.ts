/** What superjson makes of a value: plain JSON and, where needed, the types that JSON has no form for. */
export interface SerializedValue {
  json?: unknown;
  meta?: unknown;
}

export interface StoredError {
  httpStatus: number;
  /** The tRPC error code, or the application's own. */
  code: string;
  message: string;
  /** The application's own error shape. */
  shape?: SerializedValue;
}

/** Why a settled operation has no answer to replay. It is still never run again. */
export type GoneReason = 'too_large' | 'purged' | 'unreadable';

/** The envelope of a stored answer. `v` is the version of the envelope; `ok` survives in a tombstone. */
export type StoredOutcome =
  | { v: 1; ok: true; value: SerializedValue }
  | { v: 1; ok: false; error: StoredError }
  | { v: 1; gone: GoneReason; ok: boolean };

export function serializeOutcome(outcome: StoredOutcome): string {
  return JSON.stringify(outcome);
}

type Loose = Record<string, unknown>;
const isObject = (value: unknown): value is Loose =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const GONE: readonly unknown[] = ['too_large', 'purged', 'unreadable'] satisfies GoneReason[];

/**
 * Reads a stored outcome. `undefined` for anything else (another version, cut off, tampered with): the operation is then
 * answered as `outcome_gone`, never run again. Never throws.
 */
export function parseOutcome(text: string): StoredOutcome | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isStoredOutcome(parsed) ? parsed : undefined;
}

export function isStoredOutcome(value: unknown): value is StoredOutcome {
  if (!isObject(value) || value.v !== 1 || typeof value.ok !== 'boolean') return false;
  if ('gone' in value) return GONE.includes(value.gone);
  return value.ok ? isObject(value.value) : isStoredError(value.error);
}

function isStoredError(value: unknown): value is StoredError {
  return (
    isObject(value) &&
    Number.isInteger(value.httpStatus) &&
    typeof value.code === 'string' &&
    typeof value.message === 'string' &&
    (value.shape === undefined || isObject(value.shape))
  );
}
