import { useCallback, useMemo, useSyncExternalStore } from 'react';
import type { PendingOperation, SemelClient } from '../client.ts';
import type { Intent, IntentParts } from '../intent/intent.ts';
import type { Outcome } from '../outcome.ts';
import { outcomeOf } from './outcome-of.ts';
import { NOTHING, storeOf, type View } from './react-store.ts';

/**
 * How far an intent is.
 * - `loading`: the journal hasn't been read yet; on a server always.
 * - `new`: nothing is written down of it, or the server has refused it.
 * - `running`: this page is at it.
 * - `open`: it was begun (by an earlier page, or in another tab), and its outcome isn't known here: run it again, or `resume`.
 * - `completed`: it's done. Run again, it gives the same answer.
 */
export type IntentStatus = 'loading' | 'new' | 'running' | 'open' | 'completed';

/** An intent, as a component uses it. */
export interface IntentHandle {
  readonly intent: Intent;
  /** For a call: `mutate(input, { context })`; for React Query: `mutationOptions({ trpc: { context } })`. Stays the same object. */
  readonly context: { readonly intent: Intent };
  readonly status: IntentStatus;
  /** Of the last `run` on this page; `undefined` before. */
  readonly outcome: Outcome<unknown> | undefined;
  /**
   * Runs a call under the intent and says what became of it; never rejects. As often as it's called, it's one action.
   *
   * @example
   * <button onClick={() => run((context) => trpc.orders.create.mutate(order, { context }))}>Pay</button>
   */
  readonly run: <TData>(
    call: (context: { readonly intent: Intent }) => Promise<TData>,
  ) => Promise<Outcome<TData>>;
  /** As `intent.next`: the next run is a new action. */
  readonly next: Intent['next'];
}

/**
 * What the user wants done, by name and parts; equal ones are one intent, in every component, tab and after a reload. Makes
 * nothing and sends nothing by being rendered, however often that is (StrictMode).
 *
 * @throws TypeError for a part that is `undefined`, `null` or `NaN`
 *
 * @example
 * const { run, status } = useIntent(semel, 'checkout', [cart.id]);
 */
export function useIntent(semel: SemelClient, name: string, parts: IntentParts = []): IntentHandle {
  const made = semel.intent(name, parts);
  // biome-ignore lint/correctness/useExhaustiveDependencies: an intent is its id
  const intent = useMemo(() => made, [semel, made.id]);
  const context = useMemo(() => ({ intent }), [intent]);
  const view = useView(semel, intent);
  const store = storeOf(semel);
  const run = useCallback(
    async <TData>(call: (of: { readonly intent: Intent }) => Promise<TData>) => {
      store.setRun(intent.id, (run) => ({ ...run, running: run.running + 1 }));
      const outcome = await outcomeOf(() => call({ intent }));
      store.setRun(intent.id, ({ running }) => ({ running: running - 1, outcome }));
      store.refresh();
      return outcome;
    },
    [store, intent],
  );
  const next = useCallback(
    async (options?: { force?: boolean }) => {
      await intent.next(options);
      store.setRun(intent.id, (run) => ({ ...run, outcome: undefined }));
      store.refresh();
    },
    [store, intent],
  );
  const { outcome } = view.runs.get(intent.id) ?? {};
  return { intent, context, status: statusOf(view, intent), outcome, run, next };
}

function statusOf({ isLoaded, operations, completed, runs }: View, { id }: Intent): IntentStatus {
  const open = operations.filter(({ intent }) => intent === id);
  if (runs.get(id)?.running || open.some(({ live }) => live)) return 'running';
  if (!isLoaded) return 'loading';
  if (open.length > 0) return 'open';
  return completed.has(id) ? 'completed' : 'new';
}

/** What isn't settled, and what can be done about it. */
export interface PendingOperations {
  /** Oldest first; empty until the journal has been read, and on a server. */
  readonly operations: readonly PendingOperation[];
  readonly isLoaded: boolean;
  /** As `semel.forget`. */
  readonly forget: SemelClient['forget'];
  /** Reads the journal again: after `semel.purge()`, or a change that nobody told of. Else it's read by itself. */
  readonly refresh: () => void;
}

/**
 * The list of what isn't settled, live: rendered again when this page sends or settles something, and when the user
 * comes back to the page from another tab.
 *
 * @example
 * const { operations } = usePendingOperations(semel);
 * return operations.map(({ key, path, live }) => <li key={key}>{path}: {live ? 'under way' : 'outcome unknown'}</li>);
 */
export function usePendingOperations(semel: SemelClient): PendingOperations {
  const { operations, isLoaded } = useView(semel);
  const store = storeOf(semel);
  const forget = useCallback(
    async (record: Parameters<SemelClient['forget']>[0]) => {
      await semel.forget(record);
      store.refresh();
    },
    [semel, store],
  );
  return { operations, isLoaded, forget, refresh: store.refresh };
}

const nothing = () => NOTHING;

function useView(semel: SemelClient, intent?: Intent): View {
  const store = storeOf(semel);
  const subscribe = useCallback((listener: () => void) => store.subscribe(listener, intent), [store, intent]);
  return useSyncExternalStore(subscribe, store.view, nothing);
}
