import type { Sighting } from '../store/port.ts';
import { type EngineContext, subjectOf } from './engine-context.ts';
import { pollAfterMs } from './poll-hint.ts';
import type { RunRequest, RunResult } from './request.ts';

/** A worker does it, now or later: the answer to a duplicate as well as to the first. Changes nothing. */
export function accepted<Tx>(
  { emit }: Pick<EngineContext<Tx>, 'emit'>,
  request: RunRequest,
  { record, now }: Sighting,
): RunResult {
  const { operationId } = record;
  emit({ type: 'accepted', ...subjectOf(request, record) });
  return {
    kind: 'accepted',
    operationId,
    state: record.state === 'processing' ? 'processing' : 'accepted',
    pollAfterMs: pollAfterMs(record, now),
  };
}
