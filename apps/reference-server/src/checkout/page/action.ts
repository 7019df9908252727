import { type Intent, IntentConflictError, type Outcome, outcomeOf, resume } from '@semel/client';
import type { Shop } from './shop.ts';
import type { Timeline } from './timeline.ts';
import type { createWeather } from './weather.ts';

/** What the page may say about one action. Each is true when it's shown; none says "failed" of what nobody knows. */
export type State<T> =
  /** The journal hasn't said yet whether an earlier page has begun it. */
  | { readonly name: 'loading' }
  | { readonly name: 'ready' }
  /** `why` tells what it's waiting for. */
  | {
      readonly name: 'working';
      readonly why: 'answer' | 'again' | 'server' | 'tab' | 'worker';
      stage?: string;
    }
  /** Something was begun, and the network is away. */
  | { readonly name: 'offline' }
  /** An earlier page, or another tab, has begun it: what became of it is being found out. */
  | { readonly name: 'checking' }
  | { readonly name: 'unknown' }
  | { readonly name: 'done'; readonly result: T; readonly replayed: boolean | undefined }
  /** Nothing was done. */
  | { readonly name: 'refused'; readonly message: string }
  /** It was begun before with another content: nothing was sent now. */
  | { readonly name: 'conflict' };

export interface ActionParts<T> {
  readonly shop: Shop;
  readonly weather: ReturnType<typeof createWeather>;
  readonly timeline: Timeline;
  readonly intent: Intent;
  /** Sends it, as it stands now. */
  readonly send: (context: { intent: Intent }) => Promise<T>;
  /** What the server has in its books for this action, where it can be asked. */
  readonly inBooks: () => Promise<T | undefined>;
}

/** One thing that the user wants done, from the first click to what became of it, over reloads and tabs. */
export function createAction<T>({ shop, weather, timeline, intent, send, inBooks }: ActionParts<T>) {
  const { semel, trpc } = shop;
  const listeners = new Set<() => void>();
  let state: State<T> = { name: 'loading' };
  let running = 0;
  let isFindingOut = false;
  const become = (next: State<T>) => {
    state = next;
    for (const listener of listeners) listener();
  };
  const mine = (run: () => void) => (event: { intent?: string | undefined }) => {
    if (event.intent === intent.id) run();
  };
  const working = (why: Extract<State<T>, { name: 'working' }>['why'], stage?: string) =>
    become({ name: 'working', why, ...(stage !== undefined && { stage }) });

  semel.on('attempt', (event) => mine(() => working(event.ageMs === undefined ? 'answer' : 'again'))(event));
  semel.on(
    'retry',
    mine(() => working('again')),
  );
  semel.on(
    'wait',
    mine(() => working('server')),
  );
  semel.on(
    'offline',
    mine(() => {
      timeline.note('Offline: waiting for the network, without asking');
      become({ name: 'offline' });
    }),
  );
  semel.on('joined', (event) => {
    if (event.intent !== intent.id) return;
    if (event.by === 'page') return timeline.note('Clicked again: the same action, nothing more is sent');
    timeline.note('Another page is at it: waiting for that');
    working('tab');
  });
  semel.on(
    'takeover',
    mine(() => timeline.note('That page is gone: this one goes on, under the same key')),
  );
  semel.on(
    'accepted',
    mine(() => working('worker')),
  );
  semel.on('progress', (event) => {
    const stage = (event.progress as { stage?: string } | undefined)?.stage;
    if (event.intent === intent.id) working('worker', stage ?? event.state);
  });
  semel.on('journal_error', () =>
    timeline.note('The journal failed: this page remembers by itself, until it is closed'),
  );

  /** Says what became of it; where that can't be known yet, that. */
  async function settle(outcome: Outcome<T>): Promise<void> {
    switch (outcome.status) {
      case 'completed':
        return become({ name: 'done', result: outcome.data, replayed: outcome.replayed });
      case 'rejected': {
        if (IntentConflictError.from(outcome.error)) {
          timeline.note('Not sent: this action was begun with another content');
          return become({ name: 'conflict' });
        }
        return become({ name: 'refused', message: messageOf(outcome.error) });
      }
      case 'accepted':
        return settle(await outcome.wait());
      case 'in_flight':
      case 'unknown':
        if (weather.connectivity.online()) return become({ name: 'unknown' });
        become({ name: 'offline' });
        weather.connectivity.onceOnline(() => void action.findOut());
    }
  }

  /** @returns whether to look again */
  async function lookOnce(): Promise<boolean> {
    const [record] = await intent.records();
    if (running > 0) return false; // clicked in the meantime: that tells what becomes of it
    if (record === undefined) {
      become({ name: 'ready' });
      return false;
    }
    become(weather.connectivity.online() ? { name: 'checking' } : { name: 'offline' });
    if (record.state === 'completed') {
      timeline.note('The journal says: done. Asking for the answer again');
      await action.run();
      return false;
    }
    timeline.note('The journal says: begun, outcome unknown. Asking again under the same key');
    const all = await resume(semel, trpc);
    const found = all.find(({ record: { intent: id } }) => id === intent.id);
    if (found) await settle(found.outcome as Outcome<T>);
    return found === undefined && running === 0;
  }

  const action = {
    get state() {
      return state;
    },
    onChange: (listener: () => void) => void listeners.add(listener),
    /** What is shown beside the state has changed. */
    touch: () => become(state),

    /** The click. As often as it is clicked, it's one action. */
    async run(): Promise<void> {
      if (['loading', 'ready', 'refused'].includes(state.name)) working('answer');
      running++;
      const outcome = await outcomeOf(() => send({ intent }));
      if (--running === 0 || outcome.status === 'completed') await settle(outcome);
    },

    /** What became of what an earlier page began. Sends nothing new: it asks again, under the key that is written down. */
    async findOut(): Promise<void> {
      if (isFindingOut) return;
      isFindingOut = true;
      try {
        // Once more, if it was settled by another tab between the two looks at the journal.
        while (await lookOnce());
      } finally {
        isFindingOut = false;
      }
    },

    /** After a conflict: shows what was begun first. */
    async showFirst(): Promise<void> {
      become({ name: 'checking' });
      const [record] = await intent.records();
      if (record !== undefined && record.state !== 'completed') return action.findOut();
      const found = await inBooks().catch(() => undefined);
      become(found === undefined ? { name: 'unknown' } : { name: 'done', result: found, replayed: true });
    },
  };
  return action;
}

export type Action<T> = ReturnType<typeof createAction<T>>;

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : 'The server refused it';
