import { wrongClaims } from './wrong/claims.ts';
import { wrongFences } from './wrong/fences.ts';
import { wrongPurges } from './wrong/purges.ts';
import { wrongRecords } from './wrong/records.ts';
import { wrongSweeps } from './wrong/sweeps.ts';
import { wrongTransactions } from './wrong/transactions.ts';
import type { WrongStore } from './wrong/wrong-store.ts';

/** Stores with one mistake each, by which the suite is measured. Not part of the package. */
export const wrongStores: readonly WrongStore[] = [
  ...wrongClaims,
  ...wrongFences,
  ...wrongSweeps,
  ...wrongPurges,
  ...wrongRecords,
  ...wrongTransactions,
];
