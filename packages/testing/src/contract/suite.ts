import type { CaseGroup } from './case.ts';
import { batchCases } from './cases/batch.ts';
import { concurrencyCases } from './cases/concurrency.ts';
import { corsCases } from './cases/cors.ts';
import { expiryCases } from './cases/expiry.ts';
import { failureCases } from './cases/failures.ts';
import { fingerprintCases } from './cases/fingerprint.ts';
import { hangUpCases } from './cases/hang-up.ts';
import { headerCases } from './cases/headers.ts';
import { keySyntaxCases } from './cases/key-syntax.ts';
import { missingKeyCases } from './cases/missing-key.ts';
import { principalCases } from './cases/principals.ts';
import { problemCases } from './cases/problems.ts';
import { queuedCases } from './cases/queued.ts';
import { replayCases } from './cases/replay.ts';
import { statusCases } from './cases/status.ts';

/** Everything that a server can be asked from outside, by subject, simplest first. */
export const contractSuite: readonly CaseGroup[] = [
  { subject: 'replay', cases: replayCases },
  { subject: 'missing key', cases: missingKeyCases },
  { subject: 'key syntax', cases: keySyntaxCases },
  { subject: 'payloads compared', cases: fingerprintCases },
  { subject: 'concurrency', cases: concurrencyCases },
  { subject: 'principals', cases: principalCases },
  { subject: 'failures', cases: failureCases },
  { subject: 'hanging up', cases: hangUpCases },
  { subject: 'expiry', cases: expiryCases },
  { subject: 'status', cases: statusCases },
  { subject: 'queued work', cases: queuedCases },
  { subject: 'batches', cases: batchCases },
  { subject: 'headers', cases: headerCases },
  { subject: 'problem documents', cases: problemCases },
  { subject: 'browsers', cases: corsCases },
];
