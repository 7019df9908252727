import { setTimeout as sleep } from 'node:timers/promises';
import type { DecisionResult, OperationDetails, OperationView, Semel } from '@semel/server';
import { type Terminal, Unable } from '../command.ts';
import { KEY_RING_VARIABLE, sealedUnder } from '../connect/key-ring.ts';
import type { Settings } from '../connect/settings.ts';
import { painter, paintState } from '../terminal/paint.ts';
import { printable } from '../terminal/printable.ts';
import { type Action, absent, isFor, refusalText } from './refusals.ts';
import { UNDECIDED } from './states.ts';

/** Says what became of one decision. @returns the exit code */
export async function tell(
  { semel, settings, terminal, json, seen }: Telling,
  action: Action,
  id: string,
  result: DecisionResult,
): Promise<number> {
  if (json) {
    terminal.write(`${JSON.stringify({ action, operationId: id, ...result }, null, 2)}\n`);
    return result.kind === 'done' ? 0 : 1;
  }
  if (result.kind === 'absent') {
    terminal.complain(`${absent(id, settings.schema)}\n`);
    return 1;
  }
  if (result.kind !== 'done') {
    const details = await onceDecided(
      semel,
      id,
      result.kind === 'not_now' && isFor(action, result.operation),
    );
    const last = details?.decisions.at(-1);
    const latest = last && details && { ...last, agoMs: details.now - last.at };
    const found = { ...result, operation: details?.operation ?? result.operation };
    terminal.complain(`${refusalText(action, found, latest, seen)}\n`);
    return 1;
  }
  const { state, procedure, attempt, policy, deadLetterOwner } = result.operation;
  const paint = painter(terminal);
  const after =
    state === 'accepted'
      ? `a worker takes it now, as attempt ${attempt + 1}; dead again after ${policy.maxAttempts}. Runs so far: ${await runsSoFar(semel, result.operation)} (a redrive takes a number as well)`
      : state === 'released'
        ? "the caller's next retry runs it"
        : 'what every retry gets from now on';
  const owner = deadLetterOwner === undefined ? '' : ` (${printable(deadLetterOwner)})`;
  terminal.write(`${id} ${printable(procedure)}${owner} is ${paintState(paint, state)}: ${after}\n`);
  return 0;
}

/** As it was redriven: a worker may be at it by now. */
async function runsSoFar(semel: Semel, { operationId, attempt, updatedAt }: OperationView): Promise<number> {
  const decisions = (await semel.decisions.show(operationId))?.decisions ?? [];
  const taken = decisions.filter(({ action, at }) => action === 'redriven' && at <= updatedAt);
  return attempt - taken.length;
}

/** Refused although its state allows it: somebody is deciding at this moment, and has done so in the next. */
async function onceDecided(
  semel: Semel,
  id: string,
  isBeingDecided: boolean,
): Promise<OperationDetails | undefined> {
  for (let looks = 0; ; looks++) {
    const details = await semel.decisions.show(id);
    const isStill = details !== undefined && UNDECIDED.includes(details.operation.state);
    if (!isBeingDecided || !isStill || looks >= 10) return details;
    await sleep(50);
  }
}

export interface Telling {
  readonly semel: Semel;
  readonly settings: Settings;
  readonly terminal: Terminal;
  readonly json: boolean;
  /** The version that was decided about, where one was named. */
  readonly seen?: number | undefined;
}

/**
 * An outcome is sealed where its operation is. Under a key that the servers don't have every retry would get `outcome_gone`, for
 * ever: so a ring has to be there, and has to know the key of the operation.
 * @throws Unable
 */
export async function requireKey(
  { semel, settings }: Pick<Telling, 'semel' | 'settings'>,
  id: string,
): Promise<void> {
  const found = await semel.store.find(id);
  const key = found && sealedUnder(found.record.fingerprint);
  if (key === undefined || (settings.keyRing && Object.hasOwn(settings.keyRing.keys, key))) return;
  throw new Unable(
    `${id} is sealed under key ${key}, which ${settings.keyRing === undefined ? "isn't here" : "the key ring doesn't have"}: an outcome written without it could be read by nobody. Nothing was changed. Give your servers' key ring as ${KEY_RING_VARIABLE} or with --config. (Redriving and releasing write no outcome and need none.)`,
  );
}
