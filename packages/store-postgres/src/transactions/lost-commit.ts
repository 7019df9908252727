import type { Claim, ClaimRequest, OperationRecord, Sighting, Store } from '@semel/server/store';
import { begin, COMMIT, rowOf } from '../connections/flight.ts';
import type { Control } from '../connections/pools.ts';
import type { Statements } from '../statements/all.ts';
import { sightingFromRow } from '../statements/record.ts';

/** How long to wait for a transaction that may still be in its last flight. */
const LOCK_TIMEOUT_MS = 5_000;
/** A server that restarts answers again soon; a caller waits for this. */
const RETRY_AFTER_MS = [0, 250, 1_000];

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Asks on a new connection, a few times; the last error if none answers. */
async function onNewConnection<T>(ask: () => Promise<T>): Promise<T> {
  let last: unknown;
  for (const ms of RETRY_AFTER_MS) {
    if (ms > 0) await pause(ms);
    try {
      return await ask();
    } catch (error) {
      last = error;
    }
  }
  throw last;
}

export type LostCommit =
  | { readonly became: 'committed' }
  | { readonly became: 'rolled back' }
  /** Somebody changed the record: `undefined` when it is gone. */
  | { readonly became: 'overtaken'; readonly now: Sighting | undefined }
  | { readonly became: 'unknown'; readonly cause: unknown };

/**
 * COMMIT of a `transact` got no answer. Waiting for the operation's row lock waits for the old transaction, if it had
 * got as far as its last flight. But its packets may still be on their way (a pooler, a half-open connection), so
 * "still ours and processing" is not enough: `fenceOff` grows the epoch that the old transaction's last statement
 * names, in the write that looks. Whichever of the two comes first to the row, the other is refused. Simpler and safer
 * than ending the old backend: that needs its pid, which behind a pooler may belong to somebody else by now.
 */
export async function afterLostCommit(
  control: Control,
  statements: Statements,
  store: Pick<Store, 'find' | 'lookup'>,
  claim: Claim,
  isCommitted: (found: Sighting | undefined) => Promise<boolean>,
): Promise<LostCommit> {
  try {
    return await onNewConnection<LostCommit>(async () => {
      const landed = await control.fly(
        begin(),
        [statements.setLockTimeout, [String(LOCK_TIMEOUT_MS)]],
        [statements.fenceOff, [claim.operationId, claim.owner, claim.attempt]],
        COMMIT,
      );
      if (landed.error !== undefined) throw landed.error;
      const fenced = rowOf(landed, 2) !== undefined;
      const found = await store.find(claim.operationId);
      if (await isCommitted(found)) return { became: 'committed' };
      if (fenced) return { became: 'rolled back' };
      return { became: 'overtaken', now: found ?? (await store.lookup(claim)) };
    });
  } catch (cause) {
    return { became: 'unknown', cause };
  }
}

/**
 * COMMIT of an `atomically` got no answer. The old transaction holds the identity's advisory lock as long as it lives,
 * late packets included, so whoever gets the lock knows that it has ended, and the record read after that says how.
 */
export async function afterLostAtomicCommit(
  control: Control,
  statements: Statements,
  request: ClaimRequest,
  lock: string,
  before: OperationRecord | undefined,
): Promise<
  | { readonly became: 'committed' | 'existing'; readonly now: Sighting }
  | { readonly became: 'rolled back' }
  | { readonly became: 'unknown'; readonly cause: unknown }
> {
  const identity = [request.scope, request.procedure, request.key];
  try {
    return await onNewConnection(async () => {
      const landed = await control.fly(
        begin(),
        [statements.setLockTimeout, [String(LOCK_TIMEOUT_MS)]],
        [statements.awaitAtomic, [lock]],
        [statements.lookup, identity],
        COMMIT,
      );
      if (landed.error !== undefined) throw landed.error;
      const row = rowOf(landed, 3);
      const now = row && sightingFromRow(row, request);
      if (now?.record.owner === request.owner) return { became: 'committed' as const, now };
      const unchanged =
        now?.record.operationId === before?.operationId && now?.record.version === before?.version;
      return unchanged || now === undefined
        ? { became: 'rolled back' as const }
        : { became: 'existing' as const, now };
    });
  } catch (cause) {
    return { became: 'unknown', cause };
  }
}

/**
 * COMMIT of a decision got no answer. The old transaction has held the record's lock since its first flight and holds it as
 * long as it lives, late packets included: whoever gets the lock knows that it is over, and its token says how.
 */
export async function afterLostDecision(
  control: Control,
  statements: Statements,
  operationId: string,
  token: string,
): Promise<'committed' | 'rolled back' | 'unknown'> {
  try {
    return await onNewConnection(async () => {
      const landed = await control.fly(
        begin(),
        [statements.setLockTimeout, [String(LOCK_TIMEOUT_MS)]],
        [statements.awaitDecision, [operationId]],
        [statements.decidedBy, [operationId, token]],
        COMMIT,
      );
      if (landed.error !== undefined) throw landed.error;
      return rowOf(landed, 3) === undefined ? ('rolled back' as const) : ('committed' as const);
    });
  } catch {
    return 'unknown';
  }
}
