import type { BrowserContext, Request, Route } from 'playwright-core';

/** What becomes of one request of a page. */
export type Fate =
  | 'pass'
  /** It reaches the server, and the page never hears its answer. */
  | 'lose'
  /** It never leaves. */
  | 'cut'
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }
  /** It reaches the server; the page hears when the promise is done. */
  | { readonly answerAfter: Promise<unknown> }
  /** It leaves when the promise is done. */
  | { readonly leaveAfter: Promise<unknown> };

export interface Sent {
  readonly url: string;
  readonly key: string | undefined;
  readonly keys: string | undefined;
  readonly ageSeconds: number | undefined;
}

export interface Network {
  /** Every mutation that pages have sent, oldest first. */
  readonly sent: readonly Sent[];
  /** Deals with the next mutations, one each. */
  next(...fates: Fate[]): void;
  /** Resolves when `count` mutations were sent. */
  sentBy(count: number): Promise<void>;
}

/** Stands between all pages of a context and the server, for mutations. */
export async function controlNetwork(context: BrowserContext): Promise<Network> {
  const sent: Sent[] = [];
  const fates: Fate[] = [];
  const waiters = new Set<() => void>();
  await context.route('**/trpc/**', async (route, request) => {
    if (request.method() !== 'POST') return route.continue();
    sent.push(sentIn(request));
    for (const waiter of [...waiters]) waiter();
    // A page that is gone in the meantime is no failure of this test.
    await meet(route, fates.shift() ?? 'pass').catch(() => {});
  });
  return {
    sent,
    next: (...more) => void fates.push(...more),
    sentBy: (count) =>
      new Promise((resolve) => {
        const look = () => {
          if (sent.length < count) return;
          waiters.delete(look);
          resolve();
        };
        waiters.add(look);
        look();
      }),
  };
}

async function meet(route: Route, fate: Fate): Promise<void> {
  if (fate === 'pass') return route.continue();
  if (fate === 'cut') return route.abort('connectionfailed');
  if (fate === 'lose') {
    await route.fetch();
    return route.abort('connectionreset');
  }
  if ('status' in fate) return route.fulfill(fate);
  if ('leaveAfter' in fate) {
    await fate.leaveAfter;
    return route.continue();
  }
  const response = await route.fetch();
  await fate.answerAfter;
  return route.fulfill({ response });
}

function sentIn(request: Request): Sent {
  const headers = request.headers();
  const one = headers['idempotency-key'];
  const age = one === undefined ? null : /age=(\d+)/.exec(one);
  return {
    url: new URL(request.url()).pathname,
    key: one === undefined ? undefined : /"([^"]+)"/.exec(one)?.[1],
    keys: headers['idempotency-keys'],
    ageSeconds: age === null ? undefined : Number(age[1]),
  };
}
