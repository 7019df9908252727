import { wrongClaims } from './wrong/claims.ts';
import { wrongDecisions } from './wrong/decisions.ts';
import { wrongEnqueues } from './wrong/enqueues.ts';
import { wrongFences } from './wrong/fences.ts';
import { wrongPurges } from './wrong/purges.ts';
import { wrongRecords } from './wrong/records.ts';
import { wrongStarts } from './wrong/starts.ts';
import { wrongSweeps } from './wrong/sweeps.ts';
import { wrongTransactions } from './wrong/transactions.ts';
import { wrongUndecided } from './wrong/undecided.ts';
import { wrongWork } from './wrong/work.ts';
import type { WrongStore } from './wrong/wrong-store.ts';

/** Stores with one mistake each, by which the suite is measured. Not part of the package. */
export const wrongStores: readonly WrongStore[] = [
  ...wrongClaims,
  ...wrongFences,
  ...wrongSweeps,
  ...wrongPurges,
  ...wrongRecords,
  ...wrongTransactions,
  ...wrongEnqueues,
  ...wrongStarts,
  ...wrongWork,
  ...wrongDecisions,
  ...wrongUndecided,
];
