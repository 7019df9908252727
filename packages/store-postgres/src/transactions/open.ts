import { TransactionEndedByHandler } from '@semel/server/store';
import type pg from 'pg';
import { isReadOnly, isSpoilt, isUseless, refused, unavailable } from '../connections/failures.ts';
import { type Landed, type Query, ROLLBACK, type Row, rowOf, type Send } from '../connections/flight.ts';
import { type Control, giveBack, rollBack } from '../connections/pools.ts';
import type { Loan } from './lend.ts';

/** A transaction that a body may run in. */
export interface Opened {
  readonly client: pg.PoolClient;
  readonly answers: Landed['answers'];
  /** When the first flight left, by `performance.now()`: the server's limits can't have begun before. */
  readonly sentAt: number;
}

/** Milliseconds as Postgres takes them: whole, positive (0 would be no limit at all), 32 bits. */
export function timeoutSetting(ms: number): string {
  return String(Math.min(Math.max(Math.ceil(ms), 1), 2_147_483_647));
}

/**
 * The first flight. Nothing has been begun if it fails, so a broken connection (one that died while it was idle) is
 * replaced once, and after that the store is unavailable.
 */
export async function open(pool: pg.Pool, send: Send, ...queries: readonly Query[]): Promise<Opened> {
  for (let tries = 1; ; tries++) {
    const client = await pool.connect().catch((error: unknown) => {
      throw unavailable(error);
    });
    const sentAt = performance.now();
    const { answers, error } = await send(client, ...queries);
    if (error === undefined) return { client, answers, sentAt };
    if (isUseless(error)) client.release(true);
    else await rollBack(client);
    if (tries === 2 || !isUseless(error)) throw refused(error);
  }
}

/**
 * Ends the transaction of a body that threw.
 *
 * @param committed asks whether the transaction was committed
 * @throws TransactionEndedByHandler when the body had ended it itself, and something of it stays
 */
export async function undo(
  client: pg.PoolClient,
  { send, control }: { readonly send: Send; readonly control: Control },
  { wroteOutside }: Pick<Loan, 'wroteOutside'>,
  committed: Query,
  because: unknown,
): Promise<void> {
  const landed = await send(client, ROLLBACK, committed);
  giveBack(client, landed.error ?? (isReadOnly(because) || isSpoilt(because) ? because : undefined));
  // The body may have left a connection that answers nothing more: another one knows. If there is none to be had, nobody
  // can record anything either.
  const row = landed.error === undefined ? rowOf(landed, 1) : await askedElsewhere(control, committed);
  if (wroteOutside || row?.[0] === true) throw new TransactionEndedByHandler({ cause: because });
}

async function askedElsewhere(control: Control, query: Query): Promise<Row | undefined> {
  return control.run(query).then(
    ([row]) => row,
    () => undefined,
  );
}
