import type { OperationState, TransitionCause } from '@semel/contract/v1/pure';

export type Answer = 'yes' | 'no';

export interface Stored {
  readonly state: OperationState;
  readonly attempt: number;
  readonly owner: number;
  readonly version: number;
  /** Whether the lease still runs. */
  readonly lease: boolean;
  /** What the recorded step said. */
  readonly step?: Answer;
  readonly outcome?: Answer;
  readonly cause: TransitionCause;
}

/** One execution: of a request, of a delivered job, or of an operator's `resume`. */
export interface Call {
  readonly id: number;
  readonly by: 'request' | 'worker';
  readonly at:
    | 'look'
    | 'claim'
    | 'begin'
    | 'act'
    | 'record'
    | 'settle'
    | 'effect'
    | 'give up'
    | 'send'
    | 'acknowledge'
    | 'answer';
  readonly attempt: number;
  /** The version that it looked at: what a compare-and-swap names. */
  readonly seen: number;
  readonly want?: TransitionCause;
  readonly said?: Answer;
  readonly job?: number;
}

export interface State {
  readonly stored: Stored | null;
  readonly calls: readonly Call[];
  /** The queue's row, by number: a redrive makes another one. */
  readonly job: number | null;
  readonly windowOpen: boolean;
  readonly remembered: readonly string[];
  readonly charges: number;
  readonly effects: number;
  readonly answers: readonly Answer[];
  readonly faults: number;
  readonly operators: number;
  readonly redriving?: true;
  /** A transition that the contract's table doesn't have. */
  readonly forbidden?: string;
}

/** Under a number that nobody holds any more: what counts is which job is whose, not how many there were. */
export function withJob(s: State): State {
  for (let job = 1; ; job++)
    if (s.job !== job && !s.calls.some((call) => call.job === job)) return { ...s, job };
}

export function without(s: State, name: 'redriving'): State {
  const { [name]: _, ...rest } = s;
  return rest;
}

/** Numbers are used again: what counts is who is whose, not how many there were. */
export function freeId({ calls, stored }: State): number {
  for (let id = 1; ; id++) if (stored?.owner !== id && !calls.some((call) => call.id === id)) return id;
}

const byId = (a: Call, b: Call) => a.id - b.id;
export function enter(s: State, call: Call): State {
  return { ...s, calls: [...s.calls, call].sort(byId) };
}
export function leave(s: State, { id }: Call): State {
  return { ...s, calls: s.calls.filter((call) => call.id !== id) };
}
/** A worker that is done tells the queue; a request has nobody to tell. */
export function finish(s: State, call: Call): State {
  return call.by === 'worker' ? change(s, call, { at: 'acknowledge' }) : leave(s, call);
}
export function change(s: State, call: Call, to: Partial<Call>): State {
  return { ...s, calls: s.calls.map((other) => (other.id === call.id ? { ...other, ...to } : other)) };
}
