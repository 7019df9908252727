import type { OperationState } from '@semel/contract/v1/pure';
import type { RetryReason } from './delivery/verdict.ts';
import type { Outcome } from './outcome.ts';

interface Named {
  /** tRPC path, or method and URL of a plain request. */
  readonly path: string;
  readonly key: string;
  /** Id of the intent. */
  readonly intent?: string | undefined;
}

/**
 * How the client is used wrongly.
 * - `headers_not_wired`: `headers: semel.headers()` is missing on the terminating link
 * - `key_on_query`: a key or an intent on what is no mutation; it is ignored
 * - `missing_scope`: a journal that outlives the page without `scope`: the next user would resume this one's actions
 */
export type Misuse = 'headers_not_wired' | 'key_on_query' | 'missing_scope';

/** What the client tells about its work. Inputs, outputs and headers are never part of it. */
export type SemelEvent =
  | (Named & { type: 'attempt'; attempt: number; ageMs: number | undefined })
  | (Named & { type: 'retry'; reason: RetryReason; waitMs: number })
  /** The answer was that another attempt holds the operation, or that its outcome isn't known yet. */
  | (Named & { type: 'wait'; code: 'in_flight' | 'lease_lost' | 'outcome_unknown'; waitMs: number })
  /** The network is away; it is sent again as soon as that is back. */
  | (Named & { type: 'offline' })
  /** Another call (of this page, or of another tab) is at it: this one waits for it. */
  | (Named & { type: 'joined'; by: 'page' | 'tab' })
  /** The tab that was at it is gone; this one goes on, with the same key. */
  | (Named & { type: 'takeover' })
  | (Named & { type: 'accepted'; operationId: string })
  /** The status of an accepted operation, each time it was asked for. */
  | (Named & {
      type: 'progress';
      operationId: string;
      state: OperationState | 'not_found';
      progress?: unknown;
    })
  | (Named & { type: 'settled'; status: Outcome<unknown>['status']; attempts: number; elapsedMs: number })
  /** A call left without its key: `headers: semel.headers()` is missing on the terminating link. It isn't retried. */
  | (Named & { type: 'unkeyed' })
  /** The journal failed. The call goes on without it, unless `durability` is `required`. Without a call: path and key are ''. */
  | (Named & { type: 'journal_error'; error: unknown })
  /** Once for each kind. Outside production it is a console warning as well. */
  | { type: 'misuse'; code: Misuse; path: string };

export type SemelEventType = SemelEvent['type'];

export type SemelListener<TType extends SemelEventType = SemelEventType> = (
  event: Extract<SemelEvent, { type: TType }>,
) => void;

export interface Events {
  emit(event: SemelEvent): void;
  /** Tells a developer, once, what is used wrongly. */
  warn(code: Misuse, path: string): void;
  on: <TType extends SemelEventType>(type: TType, listener: SemelListener<TType>) => () => void;
}

export function createEvents(all?: (event: SemelEvent) => void): Events {
  const listeners = new Set(all && [all]);
  const emit = (event: SemelEvent) => {
    for (const listener of [...listeners]) {
      try {
        listener(event);
      } catch {
        // A listener watches payments; it must not be able to break one.
      }
    }
  };
  const warned = new Set<Misuse>();
  return {
    emit,
    warn(code, path) {
      if (warned.has(code)) return;
      warned.add(code);
      emit({ type: 'misuse', code, path });
      try {
        // As bundlers know it, so that production builds leave it out; a page without one has no `process`.
        if (process.env.NODE_ENV !== 'production') console.warn(`semel: ${code} (${path})`);
      } catch {}
    },
    on(type, listener) {
      const entry = (event: SemelEvent) => {
        if (event.type === type) listener(event as never);
      };
      listeners.add(entry);
      return () => void listeners.delete(entry);
    },
  };
}
