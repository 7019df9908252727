import type { IdempotencyProblem } from '@semel/contract/v1/pure';

/**
 * The idempotency problem in an answer, wherever a carrier put it (`data.idempotency`, a problem document, superjson's
 * `json`). The contract's own parser brings its whole table along, a fifth of this package's size; this one reads the
 * same objects (a test compares the two).
 */
export function problemIn(answer: unknown): IdempotencyProblem | undefined {
  // biome-ignore lint/suspicious/noExplicitAny: it is what came over the wire; every member is asked for
  let found = answer as any;
  for (let depth = 0; depth < 6 && typeof found === 'object' && found; depth++) {
    if (found.contract === 1 && typeof found.code === 'string') return found;
    found = found.idempotency ?? found.data ?? found.error ?? found.json;
  }
  return undefined;
}
