import type { Connectivity } from '@semel/client';
import type { Timeline } from './timeline.ts';

/** What the network does to this page. */
export interface Weather {
  offline: boolean;
  slow: boolean;
  /** The next answer arrives at the page, and is dropped before anybody has read it. */
  loseNext: boolean;
}

const SLOW_MS = 3_000;
const failed = () => new TypeError('Failed to fetch'); // what a browser says, whatever happened

/** A fetch that the page can break, the connectivity that belongs to it, and the switches. */
export function createWeather(timeline: Timeline) {
  const weather: Weather = { offline: false, slow: false, loseNext: false };
  const listeners = new Set<() => void>();
  const backs = new Set<() => void>();
  /** Keys that a worker has: the answer is the first one, although it comes from the record. */
  const awaited = new Set<string>();
  const online = () => !weather.offline && navigator.onLine;
  const changed = () => {
    if (online()) for (const back of [...backs]) back();
    for (const listener of listeners) listener();
  };
  addEventListener('online', changed);
  addEventListener('offline', changed);

  const connectivity: Connectivity = {
    online,
    onceOnline(run) {
      const back = () => {
        backs.delete(back);
        run();
      };
      backs.add(back);
      return () => void backs.delete(back);
    },
  };

  async function send(url: string | URL | Request, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    const key = headers.get('idempotency-key')?.split('"')[1];
    if (key === undefined) return weather.offline ? Promise.reject(failed()) : fetch(url, init);

    const said = timeline.attempt(key, headers.get('idempotency-key')?.includes('age=') === true);
    if (!online()) {
      said('No network: it never left', 'lost');
      throw failed();
    }
    let response: Response;
    try {
      response = await fetch(url, init);
    } catch (error) {
      said(init.signal?.aborted ? 'Given up waiting' : 'The connection broke', 'lost');
      throw error;
    }
    if (weather.slow) await pause(SLOW_MS, init.signal);
    if (init.signal?.aborted || !online()) {
      said(init.signal?.aborted ? 'Given up waiting' : 'The connection broke', 'lost');
      throw failed();
    }
    if (weather.loseNext) {
      weather.loseNext = false;
      changed();
      said('The server answered; the answer got lost', 'lost');
      throw failed();
    }
    const replayed = response.headers.get('idempotency-replayed') === 'true';
    const wasAwaited = awaited.has(key);
    if (response.status === 202) awaited.add(key);
    else awaited.delete(key);
    const isDone = response.ok && response.status !== 202;
    said(
      isDone && wasAwaited ? `${response.status} · done by a worker` : describe(response.status, replayed),
      isDone ? 'done' : 'told',
    );
    return response;
  }

  return {
    state: weather as Readonly<Weather>,
    connectivity,
    fetch: send,
    set(change: Partial<Weather>) {
      Object.assign(weather, change);
      changed();
    },
    onChange: (listener: () => void) => void listeners.add(listener),
  };
}

function describe(status: number, replayed: boolean): string {
  if (replayed) return `${status} · the first answer again, nothing was done`;
  if (status === 202) return '202 · accepted, a worker does it';
  if (status < 300) return `${status} · done`;
  if (status === 402) return '402 · declined';
  if (status === 409) return '409 · an earlier attempt is at it';
  return String(status);
}

const pause = (ms: number, signal: AbortSignal | null | undefined): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
