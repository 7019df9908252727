import type { OperationState, ProblemCode } from '@semel/contract/v1/pure';
import type { MisuseSignal } from './misuse/reports.ts';
import type { Weakness } from './misuse/weak-key.ts';

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
      /** By a worker. */
      readonly queued?: true;
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
  /** Queued: a new operation, with its job in the same commit. */
  | ({ readonly type: 'enqueued' } & EventSubject)
  /** Queued: a repeated request was told that a worker does it, now or later. */
  | ({ readonly type: 'accepted' } & EventSubject)
  /** A worker has begun an attempt; `overtaken` where the one before was lost. `waitedMs`: of a first attempt, since it was accepted. */
  | ({
      readonly type: 'started';
      readonly cause: 'started' | 'overtaken';
      readonly waitedMs?: number;
    } & EventSubject)
  /** A worker's attempt failed for now, or its server shut down. `uncounted`: before its handler was reached; it has one more. */
  | ({
      readonly type: 'rescheduled';
      readonly delayMs: number;
      readonly error: unknown;
      readonly uncounted?: true;
    } & EventSubject)
  /** The retries ran out: its owner has to decide. */
  | ({ readonly type: 'dead'; readonly error: unknown; readonly deadLetterOwner?: string } & EventSubject)
  /** A resolver or a person has decided about an operation that could not go on by itself. */
  | ({
      readonly type: 'decided';
      readonly action: 'resolved' | 'redriven' | 'released' | 'cancelled';
      /** The state that it has now. */
      readonly to: OperationState;
      readonly actor: string;
    } & EventSubject)
  /** A procedure's resolver threw, or what it said can't be done (a second 'run_again' of a dead letter): it is asked again. */
  | ({ readonly type: 'resolver_failed'; readonly error: unknown } & EventSubject)
  /** A queued operation had lost its job, and got another. */
  | ({ readonly type: 'healed'; readonly state: 'accepted' | 'processing' } & Omit<EventSubject, 'key'>)
  /** A job for a procedure that this worker doesn't have: left to another. An alert, should it stay. */
  | ({ readonly type: 'unknown_procedure' } & Omit<EventSubject, 'key'>)
  /** Something lay in the queue that is no job of ours: set aside. */
  | { readonly type: 'job_unreadable' }
  /** The queue or the store could not be reached by a worker: it tries again. */
  | { readonly type: 'worker_failed'; readonly error: unknown }
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
  /** A caller uses keys in a way from which no server can protect it, or that costs everybody. Once a window for each. */
  | {
      readonly type: 'misuse';
      readonly signal: MisuseSignal;
      readonly scope: string;
      readonly procedure: string;
      /** What its software calls itself, where it does. The caller's own word. */
      readonly clientVersion?: string;
      /** Of `weak_key`: why the last of them is weak. */
      readonly reason?: Weakness;
      /** Keys, calls or retries, as the signal has it, within this window and this process. */
      readonly count: number;
      readonly windowMs: number;
      /** How often it was found since it was last told. */
      readonly suppressed: number;
    }
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
