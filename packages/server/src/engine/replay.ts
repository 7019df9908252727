import type { OperationRecord } from '../store/port.ts';
import { type EngineContext, refused, subjectOf } from './engine-context.ts';
import type { RunRequest, RunResult } from './request.ts';
import { openOutcome } from './sealed-outcomes.ts';

/** The stored answer. Replays only read. */
export function replayed<Tx>(
  context: EngineContext<Tx>,
  request: RunRequest,
  record: OperationRecord,
  layer: 'process' | 'store' = 'store',
): RunResult {
  const outcome = request.outcomes.toOutcome(openOutcome(context, record));
  const { operationId } = record;
  if (outcome.kind === 'gone') return refused(context, request, 'outcome_gone', { record });
  context.emit({ type: 'replayed', outcome: outcome.kind, layer, ...subjectOf(request, record) });
  return outcome.kind === 'completed'
    ? { kind: 'completed', value: outcome.value, replayed: true, operationId }
    : { kind: 'failed', error: outcome.error, replayed: true, operationId };
}
