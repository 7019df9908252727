import { hash } from 'node:crypto';
import {
  type AtomicEnd,
  type AtomicRequest,
  type AtomicResult,
  EXPIRY_GRACE_MS,
  type OperationIdentity,
  type Sighting,
  type Store,
  TransactionEndedByHandler,
} from '@semel/server/store';
import type pg from 'pg';
import { isConnectionLoss, isIdentityTaken, isRetryable, RAISED, sqlState } from '../connections/failures.ts';
import {
  begin,
  COMMIT,
  notCommitted,
  type Query,
  ROLLBACK,
  rowOf,
  type Send,
} from '../connections/flight.ts';
import { type Control, giveBack, rollBack } from '../connections/pools.ts';
import type { Statements } from '../statements/all.ts';
import { openedFromText, requestValues } from '../statements/record.ts';
import { lend } from './lend.ts';
import { afterLostAtomicCommit } from './lost-commit.ts';
import { open, timeoutSetting, undo } from './open.ts';

interface Parts {
  readonly schema: string;
  readonly pool: pg.Pool;
  readonly control: Control;
  readonly send: Send;
  readonly statements: Statements;
  readonly lookup: Store['lookup'];
}

/** After a serialization failure, a deadlock, or a COMMIT that is known not to have happened. */
const MAX_RERUNS = 3;

type Once<T> = AtomicResult<T> | { readonly kind: 'again'; readonly cause: unknown };

/**
 * The atomic recipe. First flight: BEGIN, limits and lock, the record. Then the handler's own queries.
 * Last flight: the settled record and COMMIT, which also checks deferred constraints. One commit, two flights, no `processing` row.
 */
export function createAtomically({ schema, pool, control, send, statements, lookup }: Parts) {
  return async function atomically<T>(
    request: AtomicRequest,
    body: (tx: pg.ClientBase) => Promise<AtomicEnd<T>>,
  ): Promise<AtomicResult<T>> {
    for (let reruns = 0; ; reruns++) {
      const result = await once(request, body);
      if (result.kind !== 'again') return result;
      if (reruns === MAX_RERUNS) throw result.cause;
      // Two that collided must not collide again in step.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 10 * 2 ** reruns));
    }
  };

  async function once<T>(
    request: AtomicRequest,
    body: (tx: pg.ClientBase) => Promise<AtomicEnd<T>>,
  ): Promise<Once<T>> {
    const lock = lockOf(schema, request);
    const limit = timeoutSetting(request.timeoutMs);
    const { scope, procedure, key } = request;
    const opening: Query = [statements.openAtomic, [limit, lock, scope, procedure, key]];
    const { client, answers, sentAt } = await open(pool, send, begin(request.isolation), opening);
    const opened = rowOf({ answers }, 1)?.[0];
    if (typeof opened !== 'string') {
      await rollBack(client);
      return { kind: 'held' };
    }
    const { transactionId, found } = openedFromText(opened, request);

    let end: AtomicEnd<T>;
    const loan = lend(client, request.timeoutMs);
    try {
      if (!mayRun(request, found)) {
        await rollBack(client);
        return { kind: 'existing', ...(found as Sighting) };
      }
      end = await loan.during(body(loan.tx));
    } catch (error) {
      loan.end();
      await undo(client, { send, control }, loan, [statements.committed, [transactionId]], error);
      if (isRetryable(error)) return { kind: 'again', cause: error };
      throw error;
    }
    loan.end();
    const ranMs = performance.now() - sentAt;

    // A stored "no" is written by a transaction of its own: right after an SQL error in the body too, and no call pays
    // for a savepoint that few need. If somebody comes between the two, theirs is the answer: nothing happened here.
    const afresh = end.effects === 'discard';
    const write = settlement(request, found, end, afresh ? null : transactionId);
    if (afresh && loan.wroteOutside) {
      await rollBack(client);
      throw new TransactionEndedByHandler();
    }
    const relock: Query = [statements.requireLock, [lock, transactionId]];
    const last = await (afresh
      ? send(client, ROLLBACK, begin(request.isolation), relock, write.query, COMMIT)
      : send(client, write.query, COMMIT));
    const { operationId, attempt } = write;
    const error = notCommitted(last);
    if (error === undefined) {
      giveBack(client);
      const expiresAt = rowOf(last, -2)?.at(-1) as number;
      return { kind: 'settled', value: end.value, operationId, attempt, expiresAt };
    }
    if (isConnectionLoss(error)) {
      client.release(true);
      const result = await afterLoss(request, end, found, lock, error);
      // The server ended it because it was over its limit: it would be again.
      if (result.kind === 'again' && ranMs >= request.timeoutMs) throw error;
      return result;
    }
    await rollBack(client, error);
    if (sqlState(error) === RAISED.lockTaken) return { kind: 'held' };
    if (sqlState(error) === RAISED.transactionEnded) throw new TransactionEndedByHandler({ cause: error });
    if (sqlState(error) === RAISED.overtaken || isIdentityTaken(error)) {
      const now = await lookup(request);
      // Gone again already: as if it had never been.
      return now === undefined ? { kind: 'again', cause: error } : { kind: 'existing', ...now };
    }
    if (isRetryable(error)) return { kind: 'again', cause: error };
    throw error;
  }

  async function afterLoss<T>(
    request: AtomicRequest,
    end: AtomicEnd<T>,
    before: Sighting | undefined,
    lock: string,
    error: unknown,
  ): Promise<Once<T>> {
    const found = await afterLostAtomicCommit(control, statements, request, lock, before?.record);
    switch (found.became) {
      case 'committed': {
        const { operationId, attempt, expiresAt } = found.now.record;
        return { kind: 'settled', value: end.value, operationId, attempt, expiresAt: expiresAt as number };
      }
      case 'existing':
        return { kind: 'existing', ...found.now };
      case 'rolled back':
        return { kind: 'again', cause: error };
      case 'unknown':
        return { kind: 'unknown', cause: error };
    }
  }

  /** The write that settles: a new record, or the next attempt of a released one, or a new operation in an expired one's place. */
  function settlement(
    request: AtomicRequest,
    found: Sighting | undefined,
    end: AtomicEnd<unknown>,
    transactionId: string | null,
  ): { readonly query: Query; readonly operationId: string; readonly attempt: number } {
    const { to, cause, outcome } = end.settlement;
    const first = { operationId: request.operationId, attempt: 1 };
    if (found === undefined) {
      const values = [...requestValues(request), to, outcome, transactionId];
      return { ...first, query: [statements.settleNew, values] };
    }
    const { operationId, version, attempt } = found.record;
    if (isFree(found)) {
      const values = [...requestValues(request), operationId, version, to, outcome, transactionId];
      return { ...first, query: [statements.settleExpired, values] };
    }
    const { actor, traceId } = request.trace;
    const values = [
      operationId,
      version,
      request.owner,
      actor,
      traceId ?? null,
      to,
      cause,
      outcome,
      transactionId,
    ];
    return { operationId, attempt: attempt + 1, query: [statements.settleReleased, values] };
  }
}

/** The caller's judgement, within what the writes can do at all: nothing, released, or past its grace. */
function mayRun(request: AtomicRequest, found: Sighting | undefined): boolean {
  if (request.mayRun(found)) return found === undefined || found.record.state === 'released' || isFree(found);
  if (found === undefined) throw new TypeError('mayRun must let a call run where no record exists');
  return false;
}

function isFree({ record, now }: Sighting): boolean {
  return record.expiresAt !== undefined && record.expiresAt + EXPIRY_GRACE_MS <= now;
}

/** The first eight bytes of SHA-256 over the identity, each part with its length: advisory locks are per database. */
function lockOf(schema: string, { scope, procedure, key }: OperationIdentity): string {
  const text = [schema, scope, procedure, key].map((part) => `${part.length}:${part}`).join('');
  return String(hash('sha256', text, 'buffer').readBigInt64BE(0));
}
