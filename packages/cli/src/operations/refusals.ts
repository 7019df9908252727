import type { DecisionResult, OperationView } from '@semel/server';
import { duration } from '../terminal/ages.ts';
import { printable } from '../terminal/printable.ts';
import { UNDECIDED } from './states.ts';

export type Action = 'resolve' | 'redrive' | 'release' | 'cancel';

/** Whether an operation like that may be decided about so: refused all the same, somebody else is at it. */
export const isFor = (action: Action, { state, mode }: OperationView): boolean =>
  UNDECIDED.includes(state) &&
  (action === 'resolve' ||
    (action === 'redrive' && mode !== 'atomic') ||
    (action === 'release' && mode === 'leased'));

export const absent = (id: string, schema: string): string =>
  `There is no operation ${printable(id)} in the schema ${schema}. Either its id is another (semel operations list --state any --scope …), or it has expired and was deleted.`;

/**
 * @param latest who has decided about it last, if anybody has
 * @param seen the version that was decided about, where one was named
 */
export function refusalText(
  action: Action,
  result: Exclude<DecisionResult, { kind: 'done' | 'absent' }>,
  latest: { readonly actor: string; readonly action: string; readonly agoMs: number } | undefined,
  seen?: number,
): string {
  const { operation } = result;
  const id = operation.operationId;
  if (result.kind === 'window_passed') {
    return `${id} may not run again: its window has closed, other services may have forgotten its keys and would do it twice. Nothing was changed. Find out what happened, then: semel operations resolve ${id} --completed … or --failed … --reason …`;
  }
  const by =
    latest === undefined
      ? ''
      : ` It was ${latest.action} by ${printable(latest.actor)} ${duration(latest.agoMs)} ago.`;
  if (seen !== undefined && seen !== operation.version) {
    return `${id} is ${operation.state}, and something has happened to it since you saw it: it was version ${seen}, and is ${operation.version}.${by} Nothing was changed. Look again: semel operations show ${id}`;
  }
  return `${id} is ${operation.state}, so it can't be ${PAST[action]}.${by} Nothing was changed. ${instead(action, operation)}`;
}

const PAST: Readonly<Record<Action, string>> = {
  resolve: 'resolved',
  redrive: 'redriven',
  release: 'released',
  cancel: 'cancelled',
};

function instead(action: Action, operation: OperationView): string {
  const { operationId: id, state, mode, attempt } = operation;
  switch (state) {
    case 'completed':
    case 'failed':
      return `It is settled: every retry gets the same answer. See: semel operations show ${id}`;
    case 'processing':
      return 'An attempt is at it: wait until it has ended, or its lease has run out.';
    case 'released':
      return "The caller's next retry runs it.";
    case 'accepted':
      return action === 'cancel' && attempt > 0
        ? 'It was tried before and may have had effects: wait until it is done or dead.'
        : 'A worker takes it when it is due.';
    case 'suspended':
    case 'dead':
      if (action === 'cancel') return `It may have had effects, so say what became of it: resolve ${id} …`;
      if (isFor(action, operation)) return 'Somebody is deciding about it right now: look again.';
      return mode === 'queued'
        ? `It is queued: semel operations redrive ${id} --reason …`
        : `Its caller runs it again: semel operations release ${id} --reason …`;
  }
}
