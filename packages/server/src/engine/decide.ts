import { isSettled, type ProblemCode } from '@semel/contract/v1/pure';
import type { Judgement } from '../sealing/fingerprints.ts';
import { EXPIRY_GRACE_MS, type OperationRecord, type Sighting, type TakeCause } from '../store/port.ts';

/** What of a request the decision depends on. */
export interface Asking {
  /** Whether a stored fingerprint is this request's. */
  readonly judge: (stored: string) => Judgement;
  /** How old the caller says its key is, by the caller's clock. */
  readonly ageMs: number | undefined;
  readonly ttlMs: number;
  readonly mismatch: 'reject' | 'replay';
  /** Whether today's code can go on where a lost attempt stopped. In atomic mode it can't. @default true */
  readonly continues?: boolean;
  /** Whether the caller can be told that a worker does it (202). Where not, it waits as for any other. @default false */
  readonly queued?: boolean;
}

export type Decision =
  | { readonly do: 'claim' }
  | { readonly do: 'take'; readonly cause: TakeCause }
  /** The lease ran out and the record doesn't allow to go on: suspend it, then answer `outcome_unknown`. */
  | { readonly do: 'suspend' }
  | { readonly do: 'replay' }
  /** A worker is at it, or will be: 202. */
  | { readonly do: 'accepted' }
  /** Somebody is at it: wait, or answer `in_flight`. */
  | { readonly do: 'wait'; readonly retryAfterMs: number }
  | {
      readonly do: 'refuse';
      readonly code: Exclude<ProblemCode, 'in_flight'>;
      readonly retryAfterMs?: number;
      /** Because the record's fingerprint can't be read: an alert. */
      readonly unreadable?: true;
    };

/** A key this close to the end of its retention may already have been forgotten by a server whose clock runs ahead. */
const AGE_MARGIN_MS = 5 * 60_000;
/** A short retention can't give five minutes away: no retry would ever be young enough. */
const ageMargin = (ttlMs: number): number => Math.min(AGE_MARGIN_MS, ttlMs / 2);
/** Nobody is expected to decide about a suspended operation within seconds. */
const UNKNOWN_RETRY_MS = 30_000;
const IN_FLIGHT_RETRY_MS = 250;

/**
 * The judgement, pure: given what the store of record shows (and its clock), what may this request do?
 * Precedence as in the wire contract: reused, gone or expired, unknown, in flight.
 */
export function decide(found: Sighting | undefined, asking: Asking): Decision {
  if (found === undefined || isReusable(found.record, found.now)) {
    if (asking.ageMs !== undefined && asking.ageMs > asking.ttlMs - ageMargin(asking.ttlMs)) {
      return { do: 'refuse', code: 'key_expired' };
    }
    return found === undefined ? { do: 'claim' } : { do: 'take', cause: 'expired' };
  }
  const { record, now } = found;
  const lenient = asking.mismatch === 'replay' && isSettled(record.state);
  const judged = lenient ? 'same' : asking.judge(record.fingerprint);
  if (judged === 'other') return { do: 'refuse', code: 'key_reused' };
  if (judged === 'purged') return { do: 'refuse', code: 'outcome_gone' };
  if (judged === 'unreadable') return decideUnjudged(found);
  switch (record.state) {
    case 'completed':
    case 'failed':
      return { do: 'replay' };
    case 'suspended':
    case 'dead':
      return { do: 'refuse', code: 'outcome_unknown', retryAfterMs: UNKNOWN_RETRY_MS };
    case 'released':
      // Nothing is unknown about a released operation: a step past its window suspends it when it gets there.
      return { do: 'take', cause: 'claimed' };
    case 'accepted':
      return asking.queued === true ? { do: 'accepted' } : { do: 'wait', retryAfterMs: IN_FLIGHT_RETRY_MS };
    case 'processing': {
      const left = (record.leaseUntil ?? 0) - now;
      const goesOn = record.policy.onCrash === 'resume' && isWithinWindow(record, now);
      // What was queued is restarted by its job, and if it was its last attempt made a dead letter by the sweep: never
      // by a request, whatever today's policy says.
      const byWorker = record.policy.mode === 'queued';
      if (byWorker && asking.queued === true && (left > 0 || goesOn)) return { do: 'accepted' };
      if (left > 0) return { do: 'wait', retryAfterMs: Math.min(Math.ceil(left), IN_FLIGHT_RETRY_MS) };
      if (byWorker && goesOn) return { do: 'wait', retryAfterMs: IN_FLIGHT_RETRY_MS };
      const mayTake = goesOn && hasAttempts(record) && asking.continues !== false;
      return mayTake ? { do: 'take', cause: 'overtaken' } : { do: 'suspend' };
    }
  }
}

/**
 * Whether it is the same request can't be told any more. Then nothing may run, and what is said must be true of either:
 * that the operation is over, that somebody is at it, or that somebody has to decide.
 */
function decideUnjudged({ record, now }: Sighting): Decision {
  if (isSettled(record.state)) return { do: 'refuse', code: 'outcome_gone', unreadable: true };
  const left = record.state === 'accepted' ? IN_FLIGHT_RETRY_MS : (record.leaseUntil ?? 0) - now;
  if (left > 0) return { do: 'wait', retryAfterMs: Math.min(Math.ceil(left), IN_FLIGHT_RETRY_MS) };
  // The record itself says so. One that may resume is left to a server that has the key.
  const goesOn = record.policy.onCrash === 'resume' && isWithinWindow(record, now);
  const isEnded = !goesOn || (record.policy.mode !== 'queued' && !hasAttempts(record));
  if (record.state === 'processing' && isEnded) return { do: 'suspend' };
  return { do: 'refuse', code: 'outcome_unknown', retryAfterMs: UNKNOWN_RETRY_MS, unreadable: true };
}

/** Past its retention and the grace that lets clocks differ: as good as absent. */
export function isReusable(record: OperationRecord, now: number): boolean {
  return record.expiresAt !== undefined && now >= record.expiresAt + EXPIRY_GRACE_MS;
}

/** As recorded: an input that kills every process must not be tried for ever. */
const hasAttempts = ({ attempt, policy }: OperationRecord): boolean => attempt < policy.maxAttempts;

/** Other services still know the keys of the first attempt. */
function isWithinWindow({ firstClaimedAt, policy }: OperationRecord, now: number): boolean {
  return now <= firstClaimedAt + policy.downstreamWindowMs;
}
