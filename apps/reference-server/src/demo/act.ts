import type { ChargeCount } from '@semel/provider-sim';
import type { Stage } from './stage.ts';

/** What the clients of one act saw. Counted from their own answers and events. */
export interface Tally {
  /** Calls that the story made; each wants exactly one answer. */
  calls: number;
  /** Requests that these took: a client repeats what got lost. */
  requests: number;
  /** Answers of the run that did the work. */
  completed: number;
  /** Answers that said: this was done before, here is its outcome. */
  replayed: number;
  /** Refusals by the server: a declined card, a key used for something else. */
  refused: number;
  /** Calls that ended without a definite answer. */
  unanswered: number;
}

/** One line of the final table. */
export interface Result {
  readonly title: string;
  readonly tally: Tally;
  /** Rows counted in the database. */
  readonly effects: number;
  /** Charges counted at the provider; `undefined` where no money moves. */
  readonly charges: number | undefined;
  /** Open invoices counted by billing, and taken seats counted by the roster, where somebody enrolls. */
  readonly invoices?: number;
  readonly seats?: number;
  /** What is not as it should be; empty is the good news. */
  readonly problems: readonly string[];
}

export interface Act {
  readonly title: string;
  run(stage: Stage): Promise<Result>;
}

/** How often each wanted name occurs among what was counted, and what was counted beyond. */
export function compare(what: string, wanted: readonly string[], counted: readonly string[]): string[] {
  const times = (names: readonly string[]) => {
    const map = new Map<string, number>();
    for (const name of names) map.set(name, (map.get(name) ?? 0) + 1);
    return map;
  };
  const want = times(wanted);
  const have = times(counted);
  return [...new Set([...want.keys(), ...have.keys()])].flatMap((name) => {
    const [n, m] = [want.get(name) ?? 0, have.get(name) ?? 0];
    if (n === m) return [];
    return [`${what} ${name}: ${m === 0 ? 'lost' : `${m} times, wanted ${n}`}`];
  });
}

export const referencesOf = (charges: readonly ChargeCount[]): string[] =>
  charges.map(({ reference }) => reference ?? '(none)');
