import type { IdempotencyProblem } from '@semel/contract/v1/pure';

/**
 * The idempotency problem in an answer, wherever a carrier put it (`data.idempotency`, a problem document, superjson's
 * `json`). The contract's own parser brings its whole table along, a fifth of this package's size; this one reads the
 * same objects (a test compares the two).
 */
// biome-ignore lint/suspicious/noExplicitAny: it is what came over the wire; every member is asked for
export const problemIn = (found: any, depth = 0): IdempotencyProblem | undefined =>
  found?.contract === 1 && typeof found.code === 'string'
    ? found
    : found && depth < 5
      ? problemIn(found.idempotency ?? found.data ?? found.error ?? found.json, depth + 1)
      : undefined;
