import type { OperationRecord, Sighting, TakeCause } from '../store/port.ts';
import { accepted } from './accepted.ts';
import { decide } from './decide.ts';
import { askingOf, type EngineContext, identityOf, refused, subjectOf } from './engine-context.ts';
import { replayed } from './replay.ts';
import type { RunRequest, RunResult } from './request.ts';
import { pollUntil } from './wait.ts';

/** How often a record may change under one caller's eyes before the caller is sent away to ask again. */
const MAX_ROUNDS = 8;

export type Consulted =
  | { readonly answer: RunResult; readonly take?: never }
  /** The request may try to run: as a new operation, or by taking this record over. */
  | {
      readonly answer: undefined;
      readonly take: { readonly record: OperationRecord; readonly cause: TakeCause } | undefined;
    };

const MAY_CLAIM: Consulted = { answer: undefined, take: undefined };

/**
 * What a record says to a request, running nothing: a replay, a refusal, `in_flight` when somebody is still at it at the
 * deadline, or leave to try.
 */
export async function consult<Tx>(
  context: EngineContext<Tx>,
  request: RunRequest,
  seen: Sighting | undefined,
  deadline: number,
): Promise<Consulted> {
  const { store } = context;
  const asking = askingOf(context, request);
  let found = seen;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const decision = decide(found, asking);
    if (found === undefined) {
      return decision.do === 'refuse' ? { answer: refused(context, request, decision.code) } : MAY_CLAIM;
    }
    const { record } = found;
    switch (decision.do) {
      case 'claim':
        return MAY_CLAIM;
      case 'take':
        return { answer: undefined, take: { record, cause: decision.cause } };
      case 'replay':
        return { answer: replayed(context, request, record) };
      case 'accepted':
        return { answer: accepted(context, request, found) };
      case 'refuse':
        if (decision.unreadable) {
          const why = { what: 'fingerprint', why: 'unknown_key' } as const;
          context.emit({ type: 'undecryptable', ...why, ...subjectOf(request, record) });
        }
        return {
          answer: refused(context, request, decision.code, { record, retryAfterMs: decision.retryAfterMs }),
        };
      case 'suspend':
        found = await store.suspendOrphan(record, request.trace);
        if (found.record.state === 'suspended') {
          context.emit({ type: 'suspended', ...subjectOf(request, found.record) });
        }
        break;
      case 'wait': {
        const next = await context.waiters.admit(() =>
          pollUntil(deadline, async () => {
            const now = await store.lookup(identityOf(request));
            return decide(now, asking).do === 'wait' ? undefined : { now };
          }),
        );
        if (next === undefined) {
          return {
            answer: refused(context, request, 'in_flight', { record, retryAfterMs: decision.retryAfterMs }),
          };
        }
        found = next.now;
      }
    }
  }
  return { answer: refused(context, request, 'in_flight', { record: found?.record }) };
}
