import type { PendingOperation, SemelClient } from '../client.ts';
import type { SemelEventType } from '../events.ts';
import type { Intent } from '../intent/intent.ts';
import type { Outcome } from '../outcome.ts';

/** What components see of a client. A new object when something has changed, the same one as long as nothing has. */
export interface View {
  /** Whether the journal has been read. */
  readonly isLoaded: boolean;
  /** What isn't settled, oldest first. */
  readonly operations: readonly PendingOperation[];
  /** Ids of the intents on the page that are done. */
  readonly completed: ReadonlySet<string>;
  /** By intent: what this page has run. */
  readonly runs: ReadonlyMap<string, Run>;
}

export interface Run {
  /** Calls under way. */
  readonly running: number;
  /** Of the last one that has ended. */
  readonly outcome: Outcome<unknown> | undefined;
}

export interface Store {
  /** @param intent to be looked up in the journal as long as somebody listens */
  subscribe(listener: () => void, intent?: Intent): () => void;
  view(): View;
  /** Reads the journal again, soon. */
  refresh(): void;
  setRun(intent: string, change: (run: Run) => Run): void;
}

/** A server has no journal of the user's: what it renders, and what a page renders first. */
export const NOTHING: View = { isLoaded: false, operations: [], completed: new Set(), runs: new Map() };

/** After each of these the journal may say something else. */
const CHANGES: readonly SemelEventType[] = ['attempt', 'accepted', 'takeover', 'settled', 'journal_error'];
/** What happened in other tabs is noticed when the user comes back to this one. */
const RETURNS = ['focus', 'visibilitychange', 'online', 'pageshow'];

/** As many as the memory journal keeps. */
const MAX_RUNS = 1_000;

const stores = new WeakMap<SemelClient, Store>();

/** The one store of a client: all components look at the same thing, however often they are mounted. */
export function storeOf(semel: SemelClient): Store {
  const known = stores.get(semel);
  if (known) return known;
  const made = createStore(semel);
  stores.set(semel, made);
  return made;
}

function createStore(semel: SemelClient): Store {
  const listeners = new Map<() => void, Intent | undefined>();
  let view = NOTHING;
  let isDue = false;
  let stop = () => {};
  const become = (change: Partial<View>) => {
    view = { ...view, ...change };
    for (const listener of [...listeners.keys()]) listener();
  };
  const read = async () => {
    const operations = await semel.pending();
    const completed = new Set<string>();
    for (const intent of listeners.values()) {
      if (intent && (await intent.records()).some(({ state }) => state === 'completed'))
        completed.add(intent.id);
    }
    const next = { isLoaded: true, operations, completed };
    // Nothing is rendered anew for what looks the same.
    if (looks(next) !== looks(view)) become(next);
  };
  // In a task of its own: by then the event's own changes are made, and those of one tick are read once.
  const refresh = () => {
    if (isDue) return;
    isDue = true;
    setTimeout(() => {
      isDue = false;
      read().catch(() => {}); // a journal that can't be read leaves what is known; a `journal_error` event tells
    });
  };
  const start = () => {
    const ends = CHANGES.map((type) => semel.on(type, refresh));
    for (const type of RETURNS) globalThis.addEventListener?.(type, refresh);
    return () => {
      for (const end of ends) end();
      for (const type of RETURNS) globalThis.removeEventListener?.(type, refresh);
    };
  };
  return {
    subscribe(listener, intent) {
      // One of its own for each subscription: React may subscribe the same function twice.
      const own = () => listener();
      if (listeners.size === 0) stop = start();
      listeners.set(own, intent);
      refresh();
      return () => {
        listeners.delete(own);
        if (listeners.size === 0) stop();
      };
    },
    view: () => view,
    refresh,
    setRun(intent, change) {
      const run = view.runs.get(intent) ?? { running: 0, outcome: undefined };
      const runs = new Map(view.runs).set(intent, change(run));
      // An application that stays open for weeks: the outcome of the oldest is no longer remembered, its status is.
      for (const [oldest, { running }] of runs) {
        if (runs.size <= MAX_RUNS) break;
        if (running === 0) runs.delete(oldest);
      }
      become({ runs });
    },
  };
}

/** What can be seen of it, as a text; inputs needn't be JSON. */
const looks = ({ isLoaded, operations, completed }: Omit<View, 'runs'>): string =>
  JSON.stringify([isLoaded, operations.map((one) => ({ ...one, input: undefined })), [...completed].sort()]);
