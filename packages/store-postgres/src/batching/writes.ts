import type { ClaimRequest } from '@semel/server/store';
import type { Control } from '../connections/pools.ts';
import type { Statements } from '../statements/all.ts';
import { claimKind } from './claims.ts';
import { createGathering } from './gathering.ts';
import { type SettleCall, type SettleRow, settleKind } from './settlements.ts';
import { type StepCall, stepKind } from './steps.ts';

/** How claims, settlements and recovery points of many callers share statements. */
export interface BatchingOptions {
  /** Calls that share one statement and one commit at most. @default 64 */
  readonly maxRows?: number;
}

/** What tests and benches turn besides. */
export interface BatchingKnobs extends BatchingOptions {
  /** Statements under way at once at most. @default one fewer than `controlConnections`: renewals keep one */
  readonly lanes?: number;
  /** For how long a statement that is under way is waited for. @default 5 */
  readonly lateMs?: number;
  /** So many calls don't wait for it. @default 8 */
  readonly crowd?: number;
  /** Also a lone call goes through the statement for many. @default false */
  readonly always?: boolean;
}

/** The writes of a leased attempt that stand alone, a commit each, no handler's effects with them: these can share one. */
export interface Writes {
  claim(request: ClaimRequest): Promise<number | undefined>;
  settle(call: SettleCall): Promise<SettleRow>;
  recordStep(call: StepCall): Promise<boolean>;
}

/** What the calls of one statement may carry together, in characters: what one flight holds up the next by is bounded. */
const MAX_CHARACTERS = 1_000_000;

export function createWrites(
  control: Control,
  statements: Statements,
  batching: BatchingOptions | false,
  pool: { readonly connections: number; readonly maxWaitMs: number },
): Writes {
  const claim = claimKind(control, statements);
  const settle = settleKind(control, statements);
  const step = stepKind(control, statements);
  if (batching === false) return { claim: claim.one, settle: settle.one, recordStep: step.one };

  const {
    maxRows = 64,
    lanes = Math.max(1, pool.connections - 1),
    lateMs = 5,
    crowd = 8,
    always = false,
  }: BatchingKnobs = batching;
  if (!Number.isInteger(maxRows) || maxRows < 1 || maxRows > 1_000) {
    throw new TypeError('batching.maxRows must be a whole number from 1 to 1000');
  }
  const { maxWaitMs } = pool;
  const gathering = createGathering({
    lanes,
    lateMs,
    crowd,
    maxRows,
    maxCharacters: MAX_CHARACTERS,
    maxWaitMs,
    always,
  });
  return { claim: gathering.of(claim), settle: gathering.of(settle), recordStep: gathering.of(step) };
}
