import type { CaseGroup } from './case.ts';
import { changeCases } from './change-cases.ts';
import { claimCases } from './claim-cases.ts';
import { storageCases } from './storage-cases.ts';

/** Every promise of the journal port, by subject. */
export const journalSuite: readonly CaseGroup[] = [
  { subject: 'claim', cases: claimCases },
  { subject: 'update, settle and list', cases: changeCases },
  { subject: 'storage', cases: storageCases },
];
