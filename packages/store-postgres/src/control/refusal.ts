import type { Decided, OperationRecord, Sighting } from '@semel/server/store';

export interface Refusal {
  /** Whether only the downstream window can have been in the way. */
  isBoundByWindow(record: OperationRecord): boolean;
}

/** Whether nothing has happened to it since somebody saw this version, if they say which. */
export const isAsSeen = (record: OperationRecord, version: number | undefined): boolean =>
  version === undefined || record.version === version;

/** Why a decision wasn't made, from the record as it stands. */
export function refusalOf(
  found: Sighting | undefined,
  { isBoundByWindow }: Refusal,
): Extract<Decided, { kind: 'absent' | 'not_now' | 'window_passed' }> {
  if (found === undefined) return { kind: 'absent' };
  const { firstClaimedAt, policy } = found.record;
  const isPast = firstClaimedAt + policy.downstreamWindowMs <= found.now;
  return { kind: isPast && isBoundByWindow(found.record) ? 'window_passed' : 'not_now', ...found };
}
