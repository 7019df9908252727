import { claim } from './claim.ts';
import { claimMany } from './claim-many.ts';
import { fenceOff } from './fence-off.ts';
import { find } from './find.ts';
import { history } from './history.ts';
import { holders } from './holders.ts';
import { lookup } from './lookup.ts';
import { awaitAtomic, openAtomic, requireLock, setLockTimeout } from './open-atomic.ts';
import { committed, openTransaction } from './open-transaction.ts';
import { ping } from './ping.ts';
import { operationsInScopes, purge, purged } from './purge.ts';
import { recordRejected } from './record-rejected.ts';
import { recordStep, recordStepInTransaction } from './record-step.ts';
import { recordSteps } from './record-steps.ts';
import { rejected } from './rejected.ts';
import { renew, renewLocked } from './renew.ts';
import { settleExpired, takeExpired } from './replace-expired.ts';
import { settle, settleInTransaction } from './settle.ts';
import { settleMany } from './settle-many.ts';
import { settleNew } from './settle-new.ts';
import { settleReleased } from './settle-released.ts';
import type { Statement } from './statement.ts';
import { steps } from './steps.ts';
import { suspendOrphan } from './suspend-orphan.ts';
import { deleteExpired, expiryCursor, forgetRefused, operationsAfter, passExpired } from './sweep-expired.ts';
import { claimedAfter, orphanCursor, passOrphans, suspendOrphans } from './sweep-orphans.ts';
import { takeOverdue, takeReleased } from './take.ts';

const ALL = {
  awaitAtomic,
  claim,
  claimMany,
  claimedAfter,
  committed,
  deleteExpired,
  expiryCursor,
  fenceOff,
  find,
  forgetRefused,
  history,
  holders,
  lookup,
  openAtomic,
  openTransaction,
  operationsAfter,
  operationsInScopes,
  orphanCursor,
  passExpired,
  passOrphans,
  ping,
  purge,
  purged,
  recordRejected,
  recordStep,
  recordStepInTransaction,
  recordSteps,
  rejected,
  renew,
  renewLocked,
  requireLock,
  setLockTimeout,
  settle,
  settleExpired,
  settleInTransaction,
  settleMany,
  settleNew,
  settleReleased,
  steps,
  suspendOrphan,
  suspendOrphans,
  takeExpired,
  takeOverdue,
  takeReleased,
};

export type Statements = Readonly<Record<keyof typeof ALL, Statement>>;

/** Every statement of the store, written out for a schema (a name that `schemaName` let pass). */
export function statementsFor(schema: string): Statements {
  const written = Object.entries(ALL).map(([name, write]) => [name, write(`"${schema}"`)]);
  return Object.fromEntries(written) as Statements;
}
