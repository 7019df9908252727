/** A system of states, small enough to be looked at whole. States are plain data. */
export interface Model<S> {
  readonly initial: S;
  /** Everything that can happen next, each with a name for the trace. */
  next(state: S): Iterable<readonly [action: string, state: S]>;
  /** What is wrong with a state, if anything is. */
  violation(state: S): string | undefined;
  /** Where it may stop for good. From every state such a one must be within reach. */
  isOver(state: S): boolean;
}

export type Verdict =
  | { readonly kind: 'holds'; readonly states: number }
  | { readonly kind: 'violated'; readonly what: string; readonly trace: readonly string[] };

interface Visit<S> {
  readonly state: S;
  readonly index: number;
  readonly from: Visit<S> | undefined;
  readonly action: string;
}

/**
 * Looks at every reachable state, breadth first: a trace that leads to a violation is a shortest one.
 *
 * @param limit states at most; more is an error, since what wasn't looked at proves nothing
 */
export function check<S>(model: Model<S>, limit = 2_000_000): Verdict {
  const visits: Visit<S>[] = [];
  const known = new Map<string, Visit<S>>();
  const backwards: number[][] = [];

  function reach(state: S, from: Visit<S> | undefined, action: string): void {
    const text = JSON.stringify(state);
    let visit = known.get(text);
    if (visit === undefined) {
      visit = { state, index: visits.length, from, action };
      known.set(text, visit);
      visits.push(visit);
      backwards.push([]);
    }
    if (from !== undefined) (backwards[visit.index] as number[]).push(from.index);
  }

  reach(model.initial, undefined, 'start');
  for (let at = 0; at < visits.length; at++) {
    if (at > limit)
      throw new Error(`More than ${limit} states: the model is too large to be looked at whole`);
    const visit = visits[at] as Visit<S>;
    const what = model.violation(visit.state);
    if (what !== undefined) return { kind: 'violated', what, trace: traceTo(visit) };
    for (const [action, state] of model.next(visit.state)) reach(state, visit, action);
  }

  const ends = endsWithinReach();
  const stuck = visits.find(({ index }) => ends[index] === 0);
  return stuck === undefined
    ? { kind: 'holds', states: visits.length }
    : { kind: 'violated', what: 'it can never end from here', trace: traceTo(stuck) };

  function endsWithinReach(): Uint8Array {
    const reached = new Uint8Array(visits.length);
    const queue = visits.filter(({ state }) => model.isOver(state)).map(({ index }) => index);
    for (const index of queue) reached[index] = 1;
    for (let index = queue.pop(); index !== undefined; index = queue.pop()) {
      for (const before of backwards[index] as number[]) {
        if (reached[before] === 1) continue;
        reached[before] = 1;
        queue.push(before);
      }
    }
    return reached;
  }
}

function traceTo<S>(visit: Visit<S>): string[] {
  const trace: string[] = [];
  for (let at: Visit<S> | undefined = visit; at !== undefined; at = at.from) trace.push(at.action);
  return trace.reverse();
}
