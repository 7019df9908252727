import { TransactionEndedByHandler } from '@semel/server/store';
import type pg from 'pg';
import { isConnectionLoss, RAISED, sqlState, unavailable } from '../connections/failures.ts';
import {
  begin,
  COMMIT,
  notCommitted,
  type Query,
  type Row,
  rowOf,
  type Send,
} from '../connections/flight.ts';
import { type Control, giveBack, rollBack } from '../connections/pools.ts';
import type { Statements } from '../statements/all.ts';
import { lend } from './lend.ts';
import { open, timeoutSetting, undo } from './open.ts';

interface AroundParts {
  readonly pool: pg.Pool;
  readonly control: Control;
  readonly send: Send;
  readonly statements: Statements;
}

interface Plan {
  readonly operationId: string;
  /** Locks or writes the record: whoever wants it too waits, or passes by, until the transaction is over. */
  readonly first: Query;
  readonly timeoutMs: number;
  /** Somebody's code, and what to write after it, by the id of the transaction; `undefined` to leave nothing. */
  body(tx: pg.ClientBase, row: Row): Promise<((transactionId: string) => Query) | undefined>;
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
export function createAround({ pool, control, send, statements }: AroundParts) {
  return async function around({ operationId, first, timeoutMs, body, allows }: Plan): Promise<Ended> {
    const limit = timeoutSetting(timeoutMs);
    const opening: Query = [statements.openTransaction, [limit, operationId]];
    const { client, ...opened } = await open(pool, send, begin(), opening, first).catch((error: unknown) => {
      throw waitedTooLong(error) ? unavailable(error) : error;
    });
    const transactionId = rowOf(opened, 1)?.[2] as string;
    const row = rowOf(opened, 2);
    if (row === undefined || allows?.(row) === false) {
      await rollBack(client);
      return { kind: 'refused' };
    }

    const committed: Query = [statements.committed, [transactionId]];
    const loan = lend(client, timeoutMs);
    let last: ((transactionId: string) => Query) | undefined;
    try {
      last = await loan.during(body(loan.tx, row));
    } catch (error) {
      loan.end();
      await undo(client, { send, control }, loan, committed, error);
      throw error;
    }
    loan.end();
    if (last === undefined) {
      await undo(client, { send, control }, loan, committed, undefined);
      return { kind: 'undone' };
    }

    const end = await send(client, last(transactionId), COMMIT);
    const error = notCommitted(end);
    if (error === undefined) {
      giveBack(client);
      return { kind: 'committed', first: row, last: rowOf(end, 0) };
    }
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
