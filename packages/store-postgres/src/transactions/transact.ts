import {
  type Claim,
  type Sighting,
  type Store,
  type Trace,
  type TransactionEnd,
  TransactionEndedByHandler,
  type TransactResult,
} from '@semel/server/store';
import type pg from 'pg';
import { isConnectionLoss, RAISED, sqlState } from '../connections/failures.ts';
import { begin, COMMIT, notCommitted, type Query, rowOf, type Send } from '../connections/flight.ts';
import { type Control, giveBack, rollBack } from '../connections/pools.ts';
import { type Fence, isHeldBy, isSettledSo, leavesWord } from '../control/fence.ts';
import type { Statements } from '../statements/all.ts';
import { lend } from './lend.ts';
import { afterLostCommit } from './lost-commit.ts';
import { open, timeoutSetting, undo } from './open.ts';

interface Parts {
  readonly pool: pg.Pool;
  readonly control: Control;
  readonly send: Send;
  readonly statements: Statements;
  readonly fence: Fence;
  readonly reads: Pick<Store, 'find' | 'lookup' | 'steps'>;
}

/** Flight, body, flight: BEGIN and limits; the handler's own queries; fence-checked write and COMMIT. */
export function createTransact({ pool, control, send, statements, fence, reads }: Parts) {
  return async function transact<T>(
    claim: Claim,
    body: (tx: pg.ClientBase) => Promise<TransactionEnd<T>>,
    { timeoutMs, trace }: { readonly timeoutMs: number; readonly trace: Trace },
  ): Promise<TransactResult<T>> {
    const limit = timeoutSetting(timeoutMs);
    const opening: Query = [statements.openTransaction, [limit, claim.operationId]];
    const { client, ...opened } = await open(pool, send, begin(), opening);
    const [, , transactionId, epoch] = rowOf(opened, 1) as [unknown, unknown, string, number | null];

    const loan = lend(client, timeoutMs);
    let end: TransactionEnd<T>;
    try {
      end = await loan.during(body(loan.tx));
    } catch (error) {
      loan.end();
      await undo(client, { send, control }, loan, [statements.committed, [transactionId]], error);
      throw error;
    }
    loan.end();

    const last = await send(client, write(end, claim, trace, epoch, transactionId), COMMIT);
    const error = notCommitted(last);
    if (error === undefined) {
      giveBack(client);
      return committed(end, rowOf(last, 0)?.[2]);
    }
    if (isConnectionLoss(error)) {
      client.release(true);
      return afterLoss(end, error);
    }
    await rollBack(client, error);
    const state = sqlState(error);
    if (state === RAISED.transactionEnded) throw new TransactionEndedByHandler({ cause: error });
    if (state === RAISED.stepExists) return committed(end, null);
    if (state === RAISED.overtaken) return refused(await current(), error);
    throw error;

    function committed({ value }: TransactionEnd<T>, expiresAt: unknown): TransactResult<T> {
      return { kind: 'committed', value, ...(typeof expiresAt === 'number' ? { expiresAt } : undefined) };
    }

    async function current(): Promise<Sighting | undefined> {
      return (await reads.find(claim.operationId)) ?? reads.lookup(claim);
    }

    /** Everything was rolled back because the guard matched no row. */
    async function refused(now: Sighting | undefined, cause: unknown): Promise<TransactResult<T>> {
      if (now !== undefined && end.kind === 'settle' && isSettledSo(now.record, claim, end.settlement)) {
        return committed(end, now.record.expiresAt);
      }
      // Another transaction of this same attempt lost its COMMIT and had to be fenced off; this one went with it.
      if (now !== undefined && isHeldBy(now.record, claim)) throw cause;
      return fence.overtaken(claim, attempted(end), now?.record, trace);
    }

    async function afterLoss(ended: TransactionEnd<T>, lost: unknown): Promise<TransactResult<T>> {
      let expiresAt: number | undefined;
      const found = await afterLostCommit(control, statements, reads, claim, async (now) => {
        if (ended.kind === 'settle') {
          expiresAt = now?.record.expiresAt;
          return now !== undefined && isSettledSo(now.record, claim, ended.settlement);
        }
        const steps = await reads.steps(claim.operationId);
        return steps.some(({ name, attempt }) => name === ended.step.name && attempt === claim.attempt);
      });
      switch (found.became) {
        case 'committed':
          return committed(ended, expiresAt);
        case 'rolled back':
          throw lost;
        case 'overtaken':
          return fence.overtaken(claim, attempted(ended), found.now?.record, trace);
        case 'unknown':
          return { kind: 'unknown', cause: lost };
      }
    }
  };

  function write(
    end: TransactionEnd<unknown>,
    claim: Claim,
    trace: Trace,
    /** Null where the operation is gone: none equals it, so the write raises. */
    epoch: number | null,
    transactionId: string,
  ): Query {
    const holder = [claim.operationId, claim.owner, claim.attempt];
    if (end.kind === 'step') {
      const { name, kind, fingerprint, result } = end.step;
      const values = [...holder, name, kind, fingerprint, result, epoch, transactionId];
      return [statements.recordStepInTransaction, values];
    }
    const { settlement } = end;
    if (leavesWord(settlement)) {
      const noted = [...holder, settlement.lastError, trace.actor, trace.traceId ?? null];
      if (settlement.to === 'accepted') {
        const granted = settlement.uncounted ? 1 : 0;
        const values = [...noted, settlement.delayMs, granted, epoch, transactionId];
        return [statements.rescheduleInTransaction, values];
      }
      const { exhaustInTransaction, suspendInTransaction } = statements;
      const statement = settlement.to === 'dead' ? exhaustInTransaction : suspendInTransaction;
      return [statement, [...noted, epoch, transactionId]];
    }
    const outcome = 'outcome' in settlement ? settlement.outcome : null;
    const { to, cause } = settlement;
    const values = [...holder, to, cause, outcome, trace.actor, trace.traceId ?? null, epoch, transactionId];
    return [statements.settleInTransaction, values];
  }
}

function attempted(end: TransactionEnd<unknown>) {
  if (end.kind === 'step') return { state: 'step' as const, evidence: end.step.result };
  const { settlement } = end;
  return { state: settlement.to, evidence: 'outcome' in settlement ? settlement.outcome : undefined };
}
