import { TransactionEndedByHandler } from '@semel/server/store';
import type pg from 'pg';
import { isConnectionLoss, RAISED, sqlState, unavailable } from '../connections/failures.ts';
import {
  begin,
  commandOf,
  firstError,
  flight,
  type Query,
  type Row,
  rowOf,
  type Send,
} from '../connections/flight.ts';
import { giveBack } from '../connections/pools.ts';
import type { Statements } from '../statements/all.ts';
import { lend } from './lend.ts';
import { open, rollBack, timeoutSetting, undo } from './open.ts';

interface AroundParts {
  readonly pool: pg.Pool;
  readonly send: Send;
  readonly statements: Statements;
}

interface Plan {
  readonly operationId: string;
  /** Locks or writes the record: whoever wants it too waits, or passes by, until the transaction is over. */
  readonly first: Query;
  readonly timeoutMs: number;
  /** Somebody's code, and what to write after it, by the id of the transaction; `undefined` to leave nothing. */
  body(tx: pg.ClientBase, row: Row): Promise<((transactionId: unknown) => Query) | undefined>;
  /** Whether the body may run, by what `first` answered. @default whenever it answered a row */
  allows?(row: Row): boolean;
}

export type Ended =
  | { readonly kind: 'committed'; readonly first: Row; readonly last: Row | undefined }
  /** By what `first` answered; nothing was written. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'undone' }
  /** COMMIT got no answer. The transaction may be alive, and holds what `first` locked as long as it is. */
  | { readonly kind: 'lost'; readonly first: Row; readonly cause: unknown };

/** A transaction around somebody's code whose guards are in its first flight: BEGIN, limits and record; code; COMMIT. */
export function createAround({ pool, send, statements }: AroundParts) {
  return async function around({ operationId, first, timeoutMs, body, allows }: Plan): Promise<Ended> {
    const limit = timeoutSetting(timeoutMs);
    const { client, answers } = await open(pool, send, [
      begin('read committed'),
      [statements.openTransaction, [limit, operationId]],
      first,
    ]).catch((error: unknown) => {
      throw waitedTooLong(error) ? unavailable(error) : error;
    });
    const transactionId = rowOf(answers[1])?.[2];
    const row = rowOf(answers[2]);
    if (row === undefined || allows?.(row) === false) {
      await rollBack(client);
      return { kind: 'refused' };
    }

    const committed: Query = [statements.committed, [transactionId]];
    const loan = lend(client, timeoutMs);
    let last: ((transactionId: unknown) => Query) | undefined;
    try {
      last = await loan.during(body(loan.tx, row));
    } catch (error) {
      loan.end();
      await undo(client, send, loan, committed, error);
      throw error;
    }
    loan.end();
    if (last === undefined) {
      await undo(client, send, loan, committed, undefined);
      return { kind: 'undone' };
    }

    const end = await flight(send, client, [last(transactionId), 'COMMIT']);
    const failure = firstError(end);
    if (failure === undefined && commandOf(end[1]) === 'COMMIT') {
      giveBack(client);
      return { kind: 'committed', first: row, last: rowOf(end[0]) };
    }
    const error = failure?.error ?? new Error('COMMIT answered ROLLBACK');
    if (isConnectionLoss(error)) {
      client.release(true);
      return { kind: 'lost', first: row, cause: error };
    }
    await rollBack(client, error);
    throw sqlState(error) === RAISED.transactionEnded
      ? new TransactionEndedByHandler({ cause: error })
      : error;
  };
}

export type Around = ReturnType<typeof createAround>;

/** For somebody who is just making the same record, and takes longer than our own limit. */
function waitedTooLong(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return sqlState(cause) === '57014' || sqlState(cause) === '55P03';
}
