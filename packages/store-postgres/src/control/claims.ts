import type { ClaimRequest, ClaimResult, OperationRecord, Sighting, Store } from '@semel/server/store';
import type { Writes } from '../batching/writes.ts';
import type { Query } from '../connections/flight.ts';
import type { Control } from '../connections/pools.ts';
import type { Statements } from '../statements/all.ts';
import { claimOn, newClaim, requestValues, sightingFromRow } from '../statements/record.ts';

/** Who may run: insert or compare-and-swap, else the record as it stands. */
export function createClaims(
  control: Control,
  statements: Statements,
  writes: Pick<Writes, 'claim'>,
  lookup: Store['lookup'],
): Pick<Store, 'claim' | 'take' | 'suspendOrphan'> {
  /** Won before by this very request (its acknowledgement got lost), or lost. */
  function lost(found: Sighting, request: ClaimRequest): ClaimResult {
    const { owner, state } = found.record;
    return owner === request.owner && state === 'processing'
      ? { won: true, claim: claimOn(found) }
      : { won: false, ...found };
  }

  async function claim(request: ClaimRequest): Promise<ClaimResult> {
    for (let tries = 1; ; tries++) {
      const now = await writes.claim(request);
      if (now !== undefined) return { won: true, claim: newClaim(request, now) };
      const found = await lookup(request);
      if (found !== undefined) return lost(found, request);
      // Swept between the two statements; or else the id is another operation's.
      if (tries === 3) throw new Error(`Another operation has the id ${request.operationId}`);
    }
  }

  function taking(
    request: ClaimRequest,
    seen: OperationRecord,
    statement: 'takeReleased' | 'takeOverdue',
  ): Query {
    const { owner, trace } = request;
    return [
      statements[statement],
      [seen.operationId, seen.version, owner, trace.actor, trace.traceId ?? null],
    ];
  }

  return {
    claim,

    async take(request, seen, cause) {
      if (cause === 'expired') {
        const values = [...requestValues(request), seen.operationId, seen.version];
        const [row] = await control.run([statements.takeExpired, values]);
        if (row !== undefined) return { won: true, claim: newClaim(request, row[0] as number) };
      } else {
        const statement = cause === 'claimed' ? 'takeReleased' : 'takeOverdue';
        const [row] = await control.run(taking(request, seen, statement));
        if (row !== undefined) return { won: true, claim: claimOn(sightingFromRow(row)) };
      }
      const found = await lookup(request);
      // What was seen has been settled, expired and swept since: the request is a first one.
      return found === undefined ? claim(request) : lost(found, request);
    },

    async suspendOrphan(seen, { actor, traceId }) {
      const values = [seen.operationId, seen.version, actor, traceId ?? null];
      const [row] = await control.run([statements.suspendOrphan, values]);
      if (row !== undefined) return sightingFromRow(row);
      return (await lookup(seen)) ?? { record: seen, now: seen.updatedAt };
    },
  };
}
