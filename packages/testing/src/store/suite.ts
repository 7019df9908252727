import { atomicCases } from './atomically.ts';
import type { CaseGroup } from './case.ts';
import { claimCases } from './claim.ts';
import { enqueueCases } from './enqueue.ts';
import { expiryCases } from './expiry.ts';
import { historyCases } from './history.ts';
import { leaseCases } from './lease.ts';
import { listCases } from './list.ts';
import { lostAckCases } from './lost-ack.ts';
import { offerCases } from './offer.ts';
import { propertyCases } from './properties.ts';
import { purgeCases } from './purge.ts';
import { queuedEndCases } from './queued-ends.ts';
import { queuedHistoryCases } from './queued-history.ts';
import { redriveCases } from './redrive.ts';
import { releaseCases } from './release.ts';
import { resolveCases } from './resolve.ts';
import { retentionCases } from './retention.ts';
import { settleCases } from './settle.ts';
import { skewCases } from './skew.ts';
import { startCases } from './start.ts';
import { stepCases } from './steps.ts';
import { transactCases } from './transact.ts';
import { waitingCases } from './waiting.ts';

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
  { subject: 'queue: enqueue', cases: enqueueCases },
  { subject: 'queue: start', cases: startCases },
  { subject: 'queue: how attempts end', cases: queuedEndCases },
  { subject: 'queue: what waits', cases: waitingCases },
  { subject: 'queue: history', cases: queuedHistoryCases },
  { subject: 'decisions: resolve', cases: resolveCases },
  { subject: 'decisions: redrive', cases: redriveCases },
  { subject: 'decisions: release and cancel', cases: releaseCases },
  { subject: 'decisions: offer', cases: offerCases },
  { subject: 'decisions: list', cases: listCases },
  { subject: 'lost answers', cases: lostAckCases },
  { subject: 'clock skew', cases: skewCases },
  { subject: 'properties', cases: propertyCases },
];
