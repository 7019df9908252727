import { serializeOutcome } from '@semel/contract/v1/pure';
import type { OperationIdentity, Trace } from './records.ts';

/** What is done to records beside the requests: sweeps for orphans and retention, and purges. See the port, `port.ts`. */

/** What one sweep did, for metrics and for the caller to know whether to go on at once. */
export interface SweepReport {
  readonly examined: number;
  /** Operations that were deleted. */
  readonly changed: readonly {
    readonly operationId: string;
    readonly procedure: string;
    readonly scope: string;
  }[];
  /** True when the sweep reached the end of what there is to look at. */
  readonly complete: boolean;
}

/** An attempt that died and that nobody may go on with: as its record is now. */
export interface EndedOrphan extends OperationIdentity {
  readonly operationId: string;
  readonly attempt: number;
  readonly state: 'suspended' | 'dead';
  /** Who has to decide about it (queued). */
  readonly deadLetterOwner?: string;
}

export interface OrphanReport extends Omit<SweepReport, 'changed'> {
  /** All that there is to tell about them: a look at each afterwards could fail, or come too late. */
  readonly changed: readonly EndedOrphan[];
}

/** What to purge. */
export type PurgeSelection =
  | { readonly operationId: string }
  /** Every operation of exactly this scope. */
  | { readonly scope: string }
  /** Every operation whose scope begins so, character by character: no wildcards, no case folding. */
  | { readonly scopePrefix: string };

export interface PurgeRequest {
  readonly select: PurgeSelection;
  /** Operations looked at in one call. */
  readonly limit: number;
  /** Where the call before stopped; absent in the first. */
  readonly after?: string;
  readonly trace: Trace;
  /** Why, for the audit row. Never personal data: it is kept. */
  readonly reason: string;
}

export interface PurgeReport {
  /** Operations whose answer was erased by this call. One that had been purged before isn't among them. */
  readonly purged: readonly string[];
  /** Operations that had been purged before: whoever keeps copies has to be told again, because it may not have been told then. */
  readonly purgedBefore: readonly string[];
  /** Operations that match and were left alone: not settled. */
  readonly unsettled: readonly string[];
  /** Give it to the next call as `after`; absent when everything was looked at. */
  readonly next?: string;
}

/** The audit row of a purge. Append-only, and kept when the operation itself has expired. */
export interface PurgeRecord {
  readonly operationId: string;
  readonly at: number;
  readonly actor: string;
  readonly reason: string;
  readonly traceId?: string;
}

/** What a purged operation has instead of its fingerprint, which anybody could test guesses of the input against. */
export const PURGED_FINGERPRINT = 'purged';

/** What a purged operation has instead of its outcome: that it finished, and how. */
export function purgedOutcome(state: 'completed' | 'failed'): string {
  return serializeOutcome({ v: 1, ok: state === 'completed', gone: 'purged' });
}
