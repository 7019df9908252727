import type { OperationState, ProblemCode } from '@semel/contract/v1/pure';

/** What identifies the operation an event is about. Keys are identifiers, not secrets; inputs and outcomes never appear. */
export interface EventSubject {
  readonly scope: string;
  readonly procedure: string;
  readonly key: string;
  readonly operationId?: string;
  readonly attempt?: number;
}

/** One structured event per thing that happened to an operation; logs and metrics are both made from these. */
export type SemelEvent =
  | ({ readonly type: 'claimed'; readonly cause: 'claimed' | 'overtaken' | 'expired' } & EventSubject)
  | ({
      readonly type: 'executed';
      readonly outcome: 'completed' | 'failed';
      readonly durationMs: number;
    } & EventSubject)
  | ({
      readonly type: 'replayed';
      readonly outcome: 'completed' | 'failed';
      /** Who answered: this process (a duplicate that joined, or its layer), another layer by its name, or the store of record. */
      readonly layer: 'process' | 'redis' | 'store' | (string & {});
    } & EventSubject)
  /** Atomic mode: the handler failed for now, and nothing remains of it. */
  | ({ readonly type: 'rolled_back'; readonly error: unknown } & EventSubject)
  | ({ readonly type: 'released'; readonly error: unknown } & EventSubject)
  | ({ readonly type: 'suspended'; readonly error?: unknown } & EventSubject)
  /** A write of a late owner was refused by the store: an alert. */
  | ({
      readonly type: 'fenced';
      readonly write: 'settle' | 'step' | 'transaction' | 'renew';
      readonly by?: { readonly state: OperationState; readonly attempt: number };
    } & EventSubject)
  | ({ readonly type: 'refused'; readonly code: ProblemCode } & EventSubject)
  | ({
      readonly type: 'step';
      readonly step: string;
      readonly resumed: boolean;
      readonly durationMs: number;
    } & EventSubject)
  /** The handler did its work, but its output can't be stored or is invalid: later callers get `outcome_gone`. */
  | ({ readonly type: 'outcome_dropped'; readonly error: unknown } & EventSubject)
  /** What is stored can't be read with the key ring of this process: `outcome_gone`, or suspended. An alert. */
  | ({
      readonly type: 'undecryptable';
      readonly what: 'outcome' | 'step' | 'input' | 'fingerprint';
      readonly why: 'unknown_key' | 'altered' | 'unsealed';
    } & EventSubject)
  /** Somebody erased what settled operations held. */
  | {
      readonly type: 'purged';
      readonly actor: string;
      readonly purged: number;
      readonly unsettled: number;
    }
  | { readonly type: 'recovered'; readonly suspended: number; readonly deleted: number }
  | { readonly type: 'recovery_failed'; readonly error: unknown }
  /** A layer isn't asked any more until it works again; the store of record carries on. */
  | { readonly type: 'layer_opened'; readonly layer: string; readonly error: unknown }
  | { readonly type: 'layer_closed'; readonly layer: string };

export type EventListener = (event: SemelEvent) => void;
export type Emit = (event: SemelEvent) => void;

/** Fans out to listeners. A listener that throws can't break a request: telemetry is a guest here. */
export function createEmitter(listeners: readonly EventListener[]): Emit {
  return (event) => {
    for (const listener of listeners) {
      try {
        listener(event);
      } catch {
        // Nowhere to report to: reporting is what just failed.
      }
    }
  };
}
