/** Names of all headers of the contract, as they are written. Compare them without regard to case. */
export const HEADER = {
  key: 'Idempotency-Key',
  keys: 'Idempotency-Keys',
  contract: 'Idempotency-Contract',
  replayed: 'Idempotency-Replayed',
  operation: 'Idempotency-Operation',
  retryAfter: 'Retry-After',
} as const;

/** The version that this entry speaks; a request without `Idempotency-Contract` means 1. */
export const CONTRACT_VERSION = 1;
export const SUPPORTED_CONTRACTS: readonly number[] = [1];

/** What a server's CORS policy has to allow on requests. Spelt out: bundlers keep what reads members of another constant. */
export const CORS_ALLOW_HEADERS: readonly string[] = [
  'Idempotency-Key',
  'Idempotency-Keys',
  'Idempotency-Contract',
];
/** What it has to expose on answers, on errors too, or a browser can't read them. */
export const CORS_EXPOSE_HEADERS: readonly string[] = [
  'Idempotency-Replayed',
  'Idempotency-Operation',
  'Retry-After',
  'Location',
];

/**
 * The contract version that a request names: 1 when the header is absent, `undefined` when it isn't one of
 * `SUPPORTED_CONTRACTS` (answer `contract_unsupported`).
 */
export function parseContractHeader(value: string | null | undefined): number | undefined {
  if (value === null || value === undefined) return 1;
  const text = value.trim();
  return SUPPORTED_CONTRACTS.find((version) => String(version) === text);
}

/** Milliseconds as the value of `Retry-After`: whole seconds rounded up, never negative. The exact value is `retryAfterMs`. */
export function retryAfterSeconds(ms: number): number {
  return ms > 0 ? Math.ceil(ms / 1000) : 0;
}

/**
 * The value of `Idempotency-Replayed`: `true` for a single call, the replayed indexes (`0, 2`) for a batch of `calls`,
 * `undefined` (send no header) when nothing was replayed.
 */
export function serializeReplayed(indexes: readonly number[], calls: number): string | undefined {
  if (indexes.length === 0) return undefined;
  if (calls === 1) return 'true';
  return [...new Set(indexes)].sort((a, b) => a - b).join(', ');
}

/**
 * The replayed indexes of an answer to `calls` calls. The mark is a courtesy, so anything unreadable or out of range
 * counts as absent.
 */
export function parseReplayed(value: string | null | undefined, calls = 1): number[] {
  const text = value?.trim();
  if (!text) return [];
  if (text === 'true') return calls === 1 ? [0] : [];
  if (!/^\d{1,9}(?:[ \t]*,[ \t]*\d{1,9})*$/.test(text)) return [];
  const indexes = text.split(',').map(Number);
  return calls > 1 && indexes.every((index) => index < calls) ? indexes : [];
}
