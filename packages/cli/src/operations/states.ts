import type { OperationView } from '@semel/server';
import { CommandError } from '../command.ts';

export type State = OperationView['state'];

const STATES = [
  'accepted',
  'processing',
  'released',
  'suspended',
  'dead',
  'completed',
  'failed',
] as const satisfies readonly State[];

/** What can't go on by itself. */
export const UNDECIDED: readonly State[] = ['suspended', 'dead'];

/** `dead,suspended`, several times too; `any` is all. @throws CommandError */
export function statesFrom(given: readonly string[] | undefined): readonly State[] | undefined {
  if (given === undefined) return undefined;
  const names = given.flatMap((list) => list.split(',')).map((name) => name.trim());
  if (names.includes('any')) return STATES;
  const wrong = names.find((name) => !(STATES as readonly string[]).includes(name));
  if (wrong !== undefined) {
    throw new CommandError(`--state takes ${STATES.join(', ')} or any, not ${JSON.stringify(wrong)}`);
  }
  return names as State[];
}
