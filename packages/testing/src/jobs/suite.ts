import type { CaseGroup } from './case.ts';
import { consumerCases } from './consumers.ts';
import { deliveryCases } from './delivery.ts';
import { faultCases } from './faults.ts';
import { identityCases } from './identity.ts';
import { transactionCases } from './transactions.ts';
import { waitingCases } from './waiting.ts';

/** Every promise of the jobs port, by subject. */
export const jobsSuite: readonly CaseGroup[] = [
  { subject: 'delivery', cases: deliveryCases },
  { subject: 'the caller’s transaction', cases: transactionCases },
  { subject: 'identity', cases: identityCases },
  { subject: 'waiting', cases: waitingCases },
  { subject: 'consumers', cases: consumerCases },
  { subject: 'faults', cases: faultCases },
];
