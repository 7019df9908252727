import type { OperationStatus, StatusInput } from '@semel/contract/v1/pure';
import { isWithin } from '../admission/scope.ts';
import type { Engine } from '../engine/engine.ts';
import { pollAfterMs } from '../engine/poll-hint.ts';
import type { Sighting, Store } from '../store/port.ts';

/** The principal's own operation; another's looks like none. */
export async function ownOperation(
  store: Store<unknown>,
  asked: StatusInput,
  principal: string,
): Promise<Sighting | undefined> {
  const found = await ('operationId' in asked
    ? store.find(asked.operationId)
    : store.lookup({ scope: principal, procedure: asked.procedure, key: asked.key }));
  return found !== undefined && isWithin(found.record.scope, principal) ? found : undefined;
}

/** What is known about an operation, for whoever may know it: the same on every carrier. */
export async function statusFrom(
  engine: Engine<unknown>,
  { record, now }: Sighting,
): Promise<OperationStatus> {
  const [history, progress] = await Promise.all([
    engine.store.history(record.operationId),
    engine.progressOf(record),
  ]);
  const retryAfterMs = askAgainAfter(record, now);
  const outcome = engine.outcomeOf(record);
  const iso = (ms: number): string => new Date(ms).toISOString();
  return {
    operationId: record.operationId,
    procedure: record.procedure,
    state: record.state,
    attempt: record.attempt,
    createdAt: iso(record.createdAt),
    updatedAt: iso(record.updatedAt),
    ...(record.expiresAt !== undefined && { expiresAt: iso(record.expiresAt) }),
    ...(outcome !== undefined && { outcome }),
    ...(progress !== undefined && { progress: progress.value }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    transitions: history.map(({ seq, from, to, attempt, at, cause }) => ({
      seq,
      from,
      to,
      attempt,
      at: iso(at),
      cause,
    })),
  };
}

/** While it goes on by itself: work of a worker takes longer than an attempt that a caller waits for. */
function askAgainAfter(record: Sighting['record'], now: number): number | undefined {
  const { state, policy, leaseUntil } = record;
  if (policy.mode === 'queued' && (state === 'accepted' || state === 'processing'))
    return pollAfterMs(record, now);
  return leaseUntil === undefined ? undefined : Math.max(250, Math.ceil(Math.min(leaseUntil - now, 1000)));
}

/** What an id, a procedure's name or a key can be. Others are no record's, and no store need be asked with them. */
export const isName = (value: unknown): value is string =>
  typeof value === 'string' && /^[^\p{Cc}\p{Cs}]{1,1000}$/u.test(value);
