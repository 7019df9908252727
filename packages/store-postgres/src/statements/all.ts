import { cancel } from './cancel.ts';
import { claim } from './claim.ts';
import { claimMany } from './claim-many.ts';
import { awaitDecision, decidedBy, decisions, requireTransaction } from './decisions.ts';
import { enqueue } from './enqueue.ts';
import { fenceOff } from './fence-off.ts';
import { find } from './find.ts';
import { history } from './history.ts';
import { holders } from './holders.ts';
import { listAccepted, listAll, listScope, listUndecided } from './list.ts';
import { lookup } from './lookup.ts';
import { awaitAtomic, openAtomic, requireLock, setLockTimeout } from './open-atomic.ts';
import { committed, openTransaction } from './open-transaction.ts';
import { ping } from './ping.ts';
import { operationsInScopes, purge, purged } from './purge.ts';
import { progress, recordProgress } from './record-progress.ts';
import { recordRejected } from './record-rejected.ts';
import { recordStep, recordStepInTransaction } from './record-step.ts';
import { recordSteps } from './record-steps.ts';
import { redrive } from './redrive.ts';
import { rejected } from './rejected.ts';
import { release } from './release.ts';
import { renew, renewLocked } from './renew.ts';
import { enqueueExpired, settleExpired, takeExpired } from './replace-expired.ts';
import { lockToDecide, resolve } from './resolve.ts';
import {
  exhaust,
  exhaustInTransaction,
  leaveWord,
  reschedule,
  rescheduleInTransaction,
  suspend,
  suspendInTransaction,
} from './retry-later.ts';
import { settle, settleInTransaction } from './settle.ts';
import { settleMany, settleManyWithWords } from './settle-many.ts';
import { settleNew } from './settle-new.ts';
import { settleReleased } from './settle-released.ts';
import { start, started, work } from './start.ts';
import type { Statement } from './statement.ts';
import { steps } from './steps.ts';
import { suspendOrphan } from './suspend-orphan.ts';
import { deleteExpired, expiryCursor, forgetRefused, operationsAfter, passExpired } from './sweep-expired.ts';
import { claimedAfter, orphanCursor, passOrphans, suspendOrphans } from './sweep-orphans.ts';
import { takeOverdue, takeReleased } from './take.ts';
import { backlog, offer, stranded, undecided } from './waiting.ts';

const ALL = {
  awaitAtomic,
  awaitDecision,
  backlog,
  cancel,
  claim,
  claimMany,
  claimedAfter,
  committed,
  decidedBy,
  decisions,
  deleteExpired,
  enqueue,
  enqueueExpired,
  exhaust,
  exhaustInTransaction,
  expiryCursor,
  fenceOff,
  find,
  forgetRefused,
  history,
  holders,
  listAccepted,
  listAll,
  listScope,
  listUndecided,
  lockToDecide,
  lookup,
  offer,
  undecided,
  openAtomic,
  openTransaction,
  operationsAfter,
  operationsInScopes,
  orphanCursor,
  passExpired,
  passOrphans,
  ping,
  progress,
  purge,
  purged,
  recordProgress,
  recordRejected,
  recordStep,
  recordStepInTransaction,
  recordSteps,
  redrive,
  rejected,
  release,
  renew,
  renewLocked,
  requireLock,
  requireTransaction,
  leaveWord,
  reschedule,
  rescheduleInTransaction,
  resolve,
  setLockTimeout,
  settle,
  settleExpired,
  settleInTransaction,
  settleMany,
  settleManyWithWords,
  settleNew,
  settleReleased,
  start,
  started,
  steps,
  stranded,
  suspend,
  suspendInTransaction,
  suspendOrphan,
  suspendOrphans,
  takeExpired,
  takeOverdue,
  takeReleased,
  work,
};

export type Statements = Readonly<Record<keyof typeof ALL, Statement>>;

/** Every statement of the store, written out for a schema (a name that `schemaName` let pass). */
export function statementsFor(schema: string): Statements {
  const written = Object.entries(ALL).map(([name, write]) => [name, write(`"${schema}"`)]);
  return Object.fromEntries(written) as Statements;
}
