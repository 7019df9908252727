import {
  type EnqueueRequest,
  type EnqueueResult,
  isStoreUnavailable,
  type QueueStore,
  type Store,
  StoreUnavailable,
} from '@semel/server/store';
import type pg from 'pg';
import type { Query } from '../connections/flight.ts';
import type { Statements } from '../statements/all.ts';
import { requestValues, sightingFromRow } from '../statements/record.ts';
import type { Around } from './around.ts';

/** For each statement of `send`, and for what it does between two. */
const SEND_TIMEOUT_MS = 5_000;
/** A server that restarts answers again soon. */
const LOST_RETRY_MS = [0, 250, 1_000];

/** Record, work and job in one commit. */
export function createEnqueue(
  around: Around,
  statements: Statements,
  lookup: Store['lookup'],
): QueueStore<pg.ClientBase>['enqueue'] {
  /**
   * A COMMIT that got no answer is found out by doing it again: the old transaction holds the identity as long as it lives,
   * late packets included, so the second insert waits for its end. Committed: the record is ours. Rolled back: this one
   * makes it. Nothing can be there twice.
   */
  return async function enqueue(request, send) {
    let lost: unknown;
    for (let losses = 0; ; ) {
      try {
        const result = await once(request, send, lost !== undefined);
        if (result.kind !== 'lost') return result.answer;
        lost = result.cause;
      } catch (error) {
        if (lost === undefined || !isStoreUnavailable(error)) throw error;
      }
      const ms = LOST_RETRY_MS[losses++];
      if (ms === undefined) {
        throw new StoreUnavailable('it is not known whether the operation was accepted; ask again', {
          cause: lost,
        });
      }
      await new Promise((resolve) => setTimeout(resolve, ms));
    }
  };

  async function once(
    request: EnqueueRequest,
    send: (tx: pg.ClientBase) => Promise<void>,
    isAgain: boolean,
  ): Promise<{ kind: 'answer'; answer: EnqueueResult } | { kind: 'lost'; cause: unknown }> {
    let replaces = request.expired !== undefined;
    for (let tries = 1; ; tries++) {
      const ended = await around({
        operationId: request.operationId,
        first: insert(request, replaces),
        timeoutMs: SEND_TIMEOUT_MS,
        async body(tx) {
          await send(tx);
          return (transactionId) => [statements.requireTransaction, [transactionId]];
        },
      });
      if (ended.kind === 'lost') return { kind: 'lost', cause: ended.cause };
      if (ended.kind === 'committed') {
        const { record } = sightingFromRow(ended.first, request);
        return { kind: 'answer', answer: { won: true, record } };
      }
      const found = await lookup(request);
      if (found !== undefined) {
        const { owner, state, operationId } = found.record;
        const isOurs = owner === request.owner && state === 'accepted';
        // Already started, perhaps: a worker's owner is another, the id is still the one that this call proposed.
        const won = isOurs || (isAgain && operationId === request.operationId);
        const answer = won ? ({ won, record: found.record } as const) : ({ won: false, ...found } as const);
        return { kind: 'answer', answer };
      }
      // Swept between the two statements; or else the id is another operation's.
      replaces = false;
      if (tries === 3) throw new Error(`Another operation has the id ${request.operationId}`);
    }
  }

  function insert(request: EnqueueRequest, replaces: boolean): Query {
    const { work, expired } = request;
    const kept = [work.principal, work.input, work.deadLetterOwner ?? null];
    const values = requestValues(request);
    return replaces && expired !== undefined
      ? [statements.enqueueExpired, [...values, expired.operationId, expired.version, ...kept]]
      : [statements.enqueue, [...values, ...kept]];
  }
}
