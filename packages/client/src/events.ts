import type { RetryReason } from './delivery/verdict.ts';
import type { Outcome } from './outcome.ts';

interface Named {
  /** tRPC path, or method and URL of a plain request. */
  readonly path: string;
  readonly key: string;
}

/** What the client tells about its work. Inputs, outputs and headers are never part of it. */
export type SemelEvent =
  | (Named & { type: 'attempt'; attempt: number; ageMs: number | undefined })
  | (Named & { type: 'retry'; reason: RetryReason; waitMs: number })
  /** The answer was that another attempt holds the operation, or that its outcome isn't known yet. */
  | (Named & { type: 'wait'; code: 'in_flight' | 'lease_lost' | 'outcome_unknown'; waitMs: number })
  | (Named & { type: 'accepted'; operationId: string })
  | (Named & { type: 'settled'; status: Outcome<unknown>['status']; attempts: number; elapsedMs: number })
  /** A call left without its key: `headers: semel.headers()` is missing on the terminating link. It isn't retried. */
  | (Named & { type: 'unkeyed' })
  /** The journal failed. The call goes on without it. */
  | (Named & { type: 'journal_error'; error: unknown });

export type SemelEventType = SemelEvent['type'];

export type SemelListener<TType extends SemelEventType = SemelEventType> = (
  event: Extract<SemelEvent, { type: TType }>,
) => void;

export interface Events {
  emit(event: SemelEvent): void;
  on: <TType extends SemelEventType>(type: TType, listener: SemelListener<TType>) => () => void;
}

export function createEvents(all?: (event: SemelEvent) => void): Events {
  const listeners = new Set<{ type: SemelEventType; listener: (event: never) => void }>();
  const call = (listener: (event: never) => void, event: SemelEvent) => {
    try {
      listener(event as never);
    } catch {
      // A listener watches payments; it must not be able to break one.
    }
  };
  return {
    emit(event) {
      if (all) call(all, event);
      for (const entry of [...listeners]) if (entry.type === event.type) call(entry.listener, event);
    },
    on(type, listener) {
      const entry = { type, listener };
      listeners.add(entry);
      return () => void listeners.delete(entry);
    },
  };
}
