import { atomicCases } from './atomically.ts';
import type { CaseGroup } from './case.ts';
import { claimCases } from './claim.ts';
import { expiryCases } from './expiry.ts';
import { historyCases } from './history.ts';
import { leaseCases } from './lease.ts';
import { lostAckCases } from './lost-ack.ts';
import { propertyCases } from './properties.ts';
import { purgeCases } from './purge.ts';
import { retentionCases } from './retention.ts';
import { settleCases } from './settle.ts';
import { skewCases } from './skew.ts';
import { stepCases } from './steps.ts';
import { transactCases } from './transact.ts';

/** Every promise of the store port, by subject. */
export const storeSuite: readonly CaseGroup[] = [
  { subject: 'claim', cases: claimCases },
  { subject: 'lease and takeover', cases: leaseCases },
  { subject: 'settle', cases: settleCases },
  { subject: 'recovery points', cases: stepCases },
  { subject: 'transact', cases: transactCases },
  { subject: 'atomically', cases: atomicCases },
  { subject: 'expiry', cases: expiryCases },
  { subject: 'history', cases: historyCases },
  { subject: 'retention', cases: retentionCases },
  { subject: 'purge', cases: purgeCases },
  { subject: 'lost answers', cases: lostAckCases },
  { subject: 'clock skew', cases: skewCases },
  { subject: 'properties', cases: propertyCases },
];
