import type { SettledEntry } from '../store/layer-entry.ts';
import type { OperationRecord } from '../store/port.ts';
import { type EngineContext, refused, subjectOf } from './engine-context.ts';
import type { RunRequest, RunResult } from './request.ts';
import { openOutcome } from './sealed-outcomes.ts';

/** The stored answer. Replays only read. */
export function replayed<Tx>(
  context: EngineContext<Tx>,
  request: RunRequest,
  record: OperationRecord,
): RunResult {
  return (
    replayedFrom(context, request, record, 'store') ?? refused(context, request, 'outcome_gone', { record })
  );
}

/** The stored answer of a record, or of what a layer keeps of it; `undefined` if it can't be had from there. */
export function replayedFrom<Tx>(
  context: EngineContext<Tx>,
  request: RunRequest,
  record: OperationRecord | SettledEntry,
  layer: string,
): RunResult | undefined {
  const outcome = request.outcomes.toOutcome(openOutcome(context, record));
  const { operationId } = record;
  if (outcome.kind === 'gone') return undefined;
  context.emit({ type: 'replayed', outcome: outcome.kind, layer, ...subjectOf(request, record) });
  return outcome.kind === 'completed'
    ? { kind: 'completed', value: outcome.value, replayed: true, operationId }
    : { kind: 'failed', error: outcome.error, replayed: true, operationId };
}
