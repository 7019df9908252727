import type { ProblemCode } from '@semel/contract/v1/pure';

/** As much of a call's result as is looked at. */
export interface WatchedResult {
  readonly kind: string;
  readonly replayed?: boolean;
  readonly problem?: { readonly code: ProblemCode; readonly retryAfterMs?: number | undefined };
}

/** What a call's answer tells its caller about coming again with the same intent. */
export type Ending =
  /** It has its answer. */
  | 'answered'
  /** The answer is final and says no: whoever wants it all the same needs a new key. */
  | 'declined'
  /** Failed for now, and the caller is to come again with the same key. */
  | 'failed'
  /** Nobody can tell the caller yet, or any more, whether it happened. */
  | 'in_doubt';

/** @param result `undefined` where the handler's own transient error was thrown */
export function endingOf(result: WatchedResult | undefined): Ending {
  if (result === undefined) return 'failed';
  if (result.kind === 'failed') return 'declined';
  switch (result.problem?.code) {
    case 'in_flight':
    case 'outcome_unknown':
    case 'lease_lost':
    case 'outcome_gone':
    case 'key_expired':
      return 'in_doubt';
    case 'store_unavailable':
      return 'failed';
    case 'contract_unsupported':
    case 'key_malformed':
    case 'key_missing':
    case 'key_reused':
      return 'declined';
    case undefined:
      return 'answered';
  }
}
