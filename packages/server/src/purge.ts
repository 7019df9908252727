import { looksNarrowed, narrowedScope } from './admission/scope.ts';
import { auditText } from './audit-text.ts';
import type { PurgeSelection, Store } from './store/port.ts';
import type { Emit } from './telemetry/events.ts';

/** Whose data, who asks, and why. */
export type PurgeOptions = PurgeOf & {
  /** Who does it, for the audit row: `operator:alice`, `gdpr-worker`. */
  readonly actor: string;
  /** Why, for the audit row, which is kept for ever: a ticket's number, no personal data. */
  readonly reason: string;
  readonly traceId?: string;
  /** Operations in one statement. @default 500 */
  readonly batch?: number;
  /** Stops between two batches. What was purged stays purged: call it again. */
  readonly signal?: AbortSignal;
};

/** Exactly one of the three. */
export type PurgeOf =
  /** Everything of one principal, as the adapter's `scope` gave it, also where a policy narrowed it. Nobody else's. */
  | { readonly principal: string; readonly scope?: never; readonly operationId?: never }
  /** Exactly one scope, as records have it. */
  | { readonly scope: string; readonly principal?: never; readonly operationId?: never }
  | { readonly operationId: string; readonly principal?: never; readonly scope?: never };

/** What one call of `purge` did. */
export interface Purged {
  /** Operations whose answer was erased now. */
  readonly purged: number;
  /** Operations left alone because they are not settled: purge again when they are. */
  readonly unsettled: number;
  /** The ids of the first 100 of those. */
  readonly unsettledIds: readonly string[];
}

const MAX_IDS = 100;

export async function purge<Tx>(store: Store<Tx>, emit: Emit, options: PurgeOptions): Promise<Purged> {
  const { batch = 500, signal, traceId } = options;
  const actor = auditText('purge', 'actor', options.actor, 200);
  const reason = auditText('purge', 'reason', options.reason, 1000);
  if (!Number.isSafeInteger(batch) || batch < 1 || batch > 10_000) {
    throw new TypeError(`purge: batch is a whole number between 1 and 10000, not ${String(batch)}`);
  }
  const selections = selectionsOf(options);
  const trace = traceId === undefined ? { actor } : { actor, traceId };
  let purged = 0;
  let unsettled = 0;
  const unsettledIds: string[] = [];
  try {
    for (const select of selections) {
      let after: string | undefined;
      do {
        signal?.throwIfAborted();
        const asked = { select, limit: batch, trace, reason };
        const report = await store.purge(after === undefined ? asked : { ...asked, after });
        purged += report.purged.length;
        unsettled += report.unsettled.length;
        unsettledIds.push(...report.unsettled.slice(0, MAX_IDS - unsettledIds.length));
        after = report.next;
      } while (after !== undefined);
    }
  } finally {
    // Also of a purge that broke off: what was purged by then is purged.
    emit({ type: 'purged', actor, purged, unsettled });
  }
  return { purged, unsettled, unsettledIds };
}

function selectionsOf({ principal, scope, operationId }: PurgeOf): readonly PurgeSelection[] {
  const given = [principal, scope, operationId].filter((name) => name !== undefined);
  const [only] = given;
  if (given.length !== 1 || typeof only !== 'string' || only === '') {
    throw new TypeError('purge takes exactly one of principal, scope and operationId, and it is not empty');
  }
  if (operationId !== undefined) return [{ operationId }];
  if (scope !== undefined) return [{ scope }];
  if (looksNarrowed(only)) {
    throw new TypeError(
      `purge: a principal called ${JSON.stringify(only)} looks like another's narrowed scope, and both would be purged. Name its scopes one by one: purge({ scope })`,
    );
  }
  return [{ scope: only }, { scopePrefix: narrowedScope(only, '') }];
}
