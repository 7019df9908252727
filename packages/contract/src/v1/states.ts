/** Every state of an operation. The same names in TypeScript, SQL, wire, metrics, docs and console. Absent = new. */
export const OPERATION_STATES = [
  'accepted',
  'processing',
  'released',
  'suspended',
  'dead',
  'completed',
  'failed',
] as const;
export type OperationState = (typeof OPERATION_STATES)[number];

/** States in which an operation is immutable until it expires. */
export const SETTLED_STATES = ['completed', 'failed'] as const;
export type SettledState = (typeof SETTLED_STATES)[number];

export function isSettled(state: OperationState): state is SettledState {
  return state === 'completed' || state === 'failed';
}

export type TransitionCause =
  | 'claimed'
  | 'enqueued'
  | 'succeeded'
  | 'failed'
  | 'started'
  | 'cancelled'
  | 'released'
  | 'rescheduled'
  | 'exhausted'
  | 'overtaken'
  | 'outcome_unknown'
  | 'resumed'
  | 'redriven'
  | 'resolved';

export type TransitionActor = 'request' | 'worker' | 'recovery' | 'resolver' | 'operator';

export interface Transition {
  /** `null`: no record, or an expired one. */
  readonly from: OperationState | null;
  readonly to: OperationState;
  readonly cause: TransitionCause;
  /** `next`: the attempt number (the fence) grows by one. */
  readonly attempt: 'same' | 'next';
  /** Who may make it. */
  readonly by: readonly TransitionActor[];
}

const t = (
  from: OperationState | null,
  to: OperationState,
  cause: TransitionCause,
  attempt: 'same' | 'next',
  ...by: TransitionActor[]
): Transition => ({ from, to, cause, attempt, by });

/**
 * The one table. Where WIRE.md writes two states and two causes with a slash, they pair in order: `resumed` leads to
 * `processing` (run now), `redriven` to `accepted` (back to the queue). An atomic attempt has no processing row, so the
 * row that settles it also counts it.
 */
export const TRANSITIONS: readonly Transition[] = [
  t(null, 'processing', 'claimed', 'next', 'request'),
  t('released', 'processing', 'claimed', 'next', 'request'),
  t(null, 'accepted', 'enqueued', 'same', 'request'),
  t(null, 'completed', 'succeeded', 'next', 'request'),
  t(null, 'failed', 'failed', 'next', 'request'),
  t('released', 'completed', 'succeeded', 'next', 'request'),
  t('released', 'failed', 'failed', 'next', 'request'),
  t('accepted', 'processing', 'started', 'next', 'worker'),
  t('accepted', 'failed', 'cancelled', 'same', 'request', 'operator'),
  t('processing', 'completed', 'succeeded', 'same', 'request', 'worker'),
  t('processing', 'failed', 'failed', 'same', 'request', 'worker'),
  t('processing', 'released', 'released', 'same', 'request', 'worker', 'recovery'),
  t('processing', 'accepted', 'rescheduled', 'same', 'worker'),
  t('processing', 'dead', 'exhausted', 'same', 'worker', 'recovery'),
  t('processing', 'processing', 'overtaken', 'next', 'request', 'worker'),
  t('processing', 'suspended', 'outcome_unknown', 'same', 'request', 'worker', 'recovery'),
  t('suspended', 'processing', 'resumed', 'next', 'operator'),
  t('suspended', 'accepted', 'redriven', 'next', 'operator'),
  t('dead', 'processing', 'resumed', 'next', 'operator'),
  t('dead', 'accepted', 'redriven', 'next', 'operator'),
  t('suspended', 'completed', 'resolved', 'same', 'resolver', 'recovery', 'operator'),
  t('suspended', 'failed', 'resolved', 'same', 'resolver', 'recovery', 'operator'),
  t('dead', 'completed', 'resolved', 'same', 'resolver', 'recovery', 'operator'),
  t('dead', 'failed', 'resolved', 'same', 'resolver', 'recovery', 'operator'),
];

const ALLOWED: ReadonlySet<string> = /* @__PURE__ */ new Set(
  /* @__PURE__ */ TRANSITIONS.map((row) => `${row.from} ${row.to} ${row.cause}`),
);

/** Every cause, in the order in which the table names them first. */
export const TRANSITION_CAUSES: readonly TransitionCause[] = [
  ...new Set(TRANSITIONS.map((row) => row.cause)),
];

/** Whether the table has this edge with this cause. Everything else is refused by the write that tried it. */
export function isTransition(
  from: OperationState | null,
  to: OperationState,
  cause: TransitionCause,
): boolean {
  return ALLOWED.has(`${from} ${to} ${cause}`);
}
