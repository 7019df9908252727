import { nameOf } from '../journal/journal.ts';
import type { Held, Tabs } from './presence.ts';

/** After that a tab that lives and doesn't finish is looked at again. */
const PATIENCE_MS = 60_000;

/** Options of `browserTabs`. */
export interface BrowserTabsOptions {
  /** Prefix of locks and channel: tabs with the same one wait for each other. @default 'semel' */
  name?: string;
  /** Web Locks. @default navigator.locks; where there are none (insecure context), leases in the journal */
  locks?: LockManager | undefined;
}

/**
 * Two tabs that run one intent make one stream of requests. Each tab holds a Web Lock for life, which says that it lives;
 * one that finds a record of another sleeps until that has told that it's finished, or its lock comes free: then it takes
 * over, one tab at a time, with the same key. Whatever the answer was, the server replays it to the one that waited.
 *
 * Without Web Locks a tab waits for the lease in the journal to end: a crash is then noticed after the attempt's timeout.
 * Whatever goes wrong here, the server still does it once: it answers 409 to the second.
 */
export function browserTabs(options: BrowserTabsOptions = {}): Tabs {
  const { name = 'semel' } = options;
  const locks = 'locks' in options ? options.locks : globalThis.navigator?.locks;
  const id = Array.from(crypto.getRandomValues(new Uint32Array(3)), (n) => n.toString(36)).join('');
  const lockOf = (tab: string) => `${name}:tab:${tab}`;
  const waiters = new Set<(finished: string) => void>();
  const channel = globalThis.BroadcastChannel && new BroadcastChannel(`${name}:finished`);
  if (channel) {
    channel.onmessage = ({ data }) => {
      for (const waiter of [...waiters]) waiter(data);
    };
    // In Node a channel would keep the process alive.
    (channel as { unref?: () => void }).unref?.();
  }

  let isClosed = false;
  let release = () => {};
  const closed = new Promise<void>((resolve) => {
    release = resolve;
  });
  /** Holds the lock of this tab until it's closed; resolves when it's held, here or already. */
  const hold = () =>
    new Promise<void>((held) => {
      if (!locks) return held();
      // ifAvailable: after the page cache it may still be held, and a second request would wait for the first.
      locks
        .request(lockOf(id), { ifAvailable: true }, () => {
          held();
          return closed;
        })
        .catch(held);
    });
  const onPageShow = (event: Event) => {
    if ((event as PageTransitionEvent).persisted) void hold();
  };
  globalThis.addEventListener?.('pageshow', onPageShow);

  const isOthers = (record: Held | undefined): record is Held & { owner: string } =>
    // Who polls what was accepted is at it too: it sends the call again for its answer.
    (record?.state === 'sending' || record?.state === 'accepted') && !!record.owner && record.owner !== id;

  return {
    id,
    ready: hold(),
    isOthers,
    async turn(record, journal, take, signal, tell) {
      tell({ type: 'joined', by: 'tab' });
      const key = nameOf(record);
      const stop = new AbortController();
      // Nor does it wait for a journal that hangs.
      const stopped = new Promise<never>((_, reject) => stop.signal.addEventListener('abort', reject));
      stopped.catch(() => {});
      const read = async () =>
        (await Promise.race([journal.list(), stopped])).find((each) => nameOf(each) === key);
      const end = () => stop.abort();
      const heard = (finished: string) => finished === key + record.key && end();
      waiters.add(heard);
      signal.addEventListener('abort', end);
      if (signal.aborted) end();
      const patience = setTimeout(end, PATIENCE_MS);
      /** The one that looks and takes over. It looks only after it has begun to listen: nothing is missed in between. */
      const look = async () => {
        for (;;) {
          const found = await read();
          if (!isOthers(found) || stop.signal.aborted) return false;
          if (locks) await locks.request(lockOf(found.owner), { signal: stop.signal }, () => {});
          else if (!(await leaseEnds(found, stop.signal))) continue;
          if (stop.signal.aborted) return false;
          const still = await read();
          if (still?.owner !== found.owner || !isOthers(still)) continue;
          await take();
          tell({ type: 'takeover' });
          return true;
        }
      };
      try {
        return await (locks?.request(`${name}:take:${key}`, { signal: stop.signal }, look) ?? look());
      } catch {
        return false; // Finished or aborted while waiting for a lock; or a journal that can't be read: the server decides.
      } finally {
        clearTimeout(patience);
        waiters.delete(heard);
        signal.removeEventListener('abort', end);
      }
    },
    tell(record, key) {
      if (!isClosed) channel?.postMessage(record + key);
    },
    close() {
      isClosed = true;
      release();
      channel?.close();
      globalThis.removeEventListener?.('pageshow', onPageShow);
    },
  };
}

/** Sleeps until the lease of a record is over; `false` if it was over for less than this: then it's to be read again. */
function leaseEnds({ leaseUntil = 0 }: Held, signal: AbortSignal): Promise<boolean> {
  const leftMs = leaseUntil - Date.now();
  return new Promise((resolve) => {
    if (leftMs <= 0) return resolve(true);
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve(false);
    };
    // A wall clock that was set back must not make it wait for ever.
    const timer = setTimeout(done, Math.min(leftMs, PATIENCE_MS));
    signal.addEventListener('abort', done);
  });
}
