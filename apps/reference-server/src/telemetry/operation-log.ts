import type { EventListener, SemelEvent } from '@semel/server';
import type { Logger } from './logging.ts';
import type { ProviderRefs } from './provider-refs.ts';
import { currentRequestId } from './request-id.ts';

/** Somebody should look at these. */
const WARNINGS: ReadonlySet<SemelEvent['type']> = new Set([
  'suspended',
  'fenced',
  'outcome_dropped',
  'undecryptable',
  'recovery_failed',
  'misuse',
  'dead',
  'resolver_failed',
  'unknown_procedure',
  'job_unreadable',
  'worker_failed',
  'layer_opened',
]);

/** Copied by name and never as a whole: an outcome or an owner in an event must not reach a log file. */
const FIELDS = [
  'operationId',
  'key',
  'procedure',
  'attempt',
  'code',
  'cause',
  'outcome',
  'layer',
  'step',
  'resumed',
  'write',
  'by',
  'durationMs',
  'queued',
  'waitedMs',
  'delayMs',
  'uncounted',
  'deadLetterOwner',
  'action',
  'to',
  'actor',
  'state',
  'what',
  'why',
  'suspended',
  'deleted',
  'purged',
  'unsettled',
  'signal',
  'reason',
  'count',
  'suppressed',
  'windowMs',
  'clientVersion',
] as const;
/** Where an outcome is a word, and not the stored answer. */
const OUTCOMES: readonly unknown[] = ['completed', 'failed'];

/**
 * One line per thing that happened to an operation. Operation id, key and provider reference stand in each where they
 * are known: any one of the three finds the other two.
 */
export function createOperationLog(log: Logger, refs: ProviderRefs): EventListener {
  return (event) => {
    const said: Partial<Record<(typeof FIELDS)[number] | 'type' | 'scope' | 'error', unknown>> = { ...event };
    const line: Record<string, unknown> = { event: event.type };
    for (const field of FIELDS) {
      const value = said[field];
      if (value === undefined || (field === 'outcome' && !OUTCOMES.includes(value))) continue;
      line[field] = value;
    }
    line.tenant = tenantOf(said.scope);
    line.providerRef = refs.of(said.operationId as string | undefined);
    line.requestId = currentRequestId();
    if (said.error !== undefined) line.err = said.error;
    if (WARNINGS.has(event.type)) log.warn(line, `operation ${event.type}`);
    else log.info(line, `operation ${event.type}`);
  };
}

/** A scope is the tenant, or a part of it (`4:acme/ada`) where a policy narrows it. No tenant's name has a colon. */
function tenantOf(scope: unknown): unknown {
  const length = typeof scope === 'string' ? /^(\d+):/.exec(scope) : null;
  return length === null ? scope : (scope as string).slice(length[0].length).slice(0, Number(length[1]));
}
