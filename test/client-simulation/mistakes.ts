import type { Journal, Outcome, Tabs } from '@semel/client';
import { TRPCClientError, type TRPCLink } from '@trpc/client';
import { observable } from '@trpc/server/observable';
import { CARRIED } from '../../packages/client/src/adapters/carrier.ts';
import { type JournalRecord, nameOf } from '../../packages/client/src/journal/journal.ts';
import type { Profile } from './profile.ts';

type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Something that a reasonable person might have written in the client. */
export interface Mistake {
  /** What the simulation says of it: one of these. */
  readonly found: readonly string[];
  /** Where it shows. @default 'link' */
  readonly profile?: Profile;
  readonly journal?: (right: Journal) => Journal;
  readonly tabs?: (right: Tabs) => Tabs;
  /** Comes between the client's link and the terminating one. */
  // biome-ignore lint/suspicious/noExplicitAny: fits the client of every router
  readonly link?: () => TRPCLink<any>;
  readonly fetch?: (right: Fetch) => Fetch;
  readonly scope?: string;
  readonly outcome?: (right: Outcome<unknown>) => Outcome<unknown>;
}

/** A journal of which some methods are wrong. */
const journal =
  (change: (right: Journal) => Partial<Journal>) =>
  (right: Journal): Journal => ({ ...right, ...change(right) });

const refusal = (code: number, httpStatus: number) => {
  const error = { message: 'no', code, data: { code: 'X', httpStatus } };
  return new Response(JSON.stringify([{ error }]), {
    status: httpStatus,
    headers: { 'content-type': 'application/json' },
  });
};

export const MISTAKES = {
  'a key of its own for each attempt': {
    found: ['two effects', 'sent before it was written down'],
    link: () => () => {
      let count = 0;
      return ({ op, next }) => {
        const carried = op.context[CARRIED] as { key: string } | undefined;
        if (carried) carried.key += `-${++count}`;
        return next(op);
      };
    },
  },
  'written down after it was sent': {
    found: ['two effects', 'sent before it was written down'],
    journal: journal((right) => ({
      claim(record) {
        void right.claim(record);
        return record;
      },
    })),
  },
  'a completed intent is forgotten': {
    found: ['two effects', 'what is done was forgotten'],
    journal: journal((right) => ({
      update: (record) => (record.state === 'completed' ? right.settle(record) : right.update(record)),
    })),
  },
  'all users of a browser under one scope': {
    found: ["sent as somebody else's"],
    scope: 'everybody',
  },
  'the lock of another tab is ignored': {
    found: ['two tabs sent one key at once'],
    tabs: (right) => ({ ...right, isOthers: () => false }),
  },
  'a 409 is a failure': {
    found: ['rejected, and it happened', 'two effects'],
    fetch: (right) => async (url, init) => {
      const response = await right(url, init);
      return response.status === 409 ? refusal(-32009, 409) : response;
    },
  },
  'no answer means that nothing was begun': {
    found: ['rejected, and it happened', 'two effects', 'struck out, and it happened'],
    fetch: (right) => (url, init) =>
      right(url, init).catch((error: Error) => {
        if (error.name === 'AbortError') throw error;
        return refusal(-32600, 400);
      }),
  },
  'a page of a proxy is the answer of the server': {
    found: ['rejected, and it happened', 'two effects'],
    fetch: (right) => async (url, init) => {
      const response = await right(url, init);
      return response.status === 502 || response.status === 504 ? refusal(-32600, 400) : response;
    },
  },
  'the end of a key is ignored': {
    found: ['sent after its key was over'],
    journal: journal((right) => {
      const endless = <T extends { expiresAt?: number | undefined }>(record: T): T => ({
        ...record,
        expiresAt: undefined,
      });
      return {
        claim: async (record) => {
          const found = await right.claim(record);
          return found === record ? record : endless(found);
        },
        list: async () => (await right.list()).map(endless),
      };
    }),
  },
  'what is unknown is struck out': {
    found: ['two effects', 'struck out, and it happened'],
    journal: journal((right) => ({
      update: (record) => (record.state === 'unknown' ? right.settle(record) : right.update(record)),
    })),
  },
  'looks, then writes, and two tabs are in between': {
    found: ['two effects', 'sent before it was written down'],
    journal: journal((right) => ({
      async claim(record) {
        const found = (await right.list()).find((each) => nameOf(each) === nameOf(record));
        if (found) return found;
        void Promise.resolve(right.claim(record));
        return record;
      },
    })),
  },
  'a changed order goes out under the old key': {
    found: ['a changed order was sent under the same key'],
    journal: journal((right) => ({
      async claim(record) {
        const found = await right.claim(record);
        return found === record ? found : { ...found, fingerprint: record.fingerprint };
      },
    })),
  },
  'the journal is of the page alone': {
    found: ['two effects', 'sent before it was written down'],
    journal(): Journal {
      const records = new Map<string, JournalRecord>();
      return {
        claim(record) {
          const found = records.get(nameOf(record)) ?? record;
          records.set(nameOf(record), found);
          return found;
        },
        update: (record) => void (records.has(nameOf(record)) && records.set(nameOf(record), record)),
        settle: (record) => void records.delete(nameOf(record)),
        list: () => [...records.values()],
      };
    },
  },
  'a stream that breaks off has refused what it had not said yet': {
    profile: 'stream',
    found: ['rejected, and it happened', 'two effects', 'one action under two keys'],
    link:
      () =>
      () =>
      ({ op, next }) =>
        observable((observer) =>
          next(op).subscribe({
            ...observer,
            error(error) {
              const isBroken = error.message === 'network error';
              if (!isBroken) return observer.error(error);
              const refused = { code: -32600, message: 'no', data: { httpStatus: 400 } };
              observer.error(TRPCClientError.from({ error: refused } as never));
            },
          }),
        ),
  },
  'a 202 is the answer': {
    profile: 'queued',
    found: ['completed, and it had not happened'],
    fetch: (right) => async (url, init) => {
      const response = await right(url, init);
      const text = response.ok ? await response.text() : '';
      if (!text.includes('"$idempotency":"accepted"')) return response;
      return new Response(text.replaceAll('"$idempotency":"accepted"', '"accepted":true'), response);
    },
  },
  'what is accepted is as good as done, and struck out': {
    profile: 'queued',
    found: ['two effects', 'struck out, and it happened', 'one action under two keys'],
    journal: journal((right) => ({
      update: (record) => (record.state === 'accepted' ? right.settle(record) : right.update(record)),
    })),
  },
  'a plain request has a key of its own for each attempt': {
    profile: 'fetch',
    found: ['two effects', 'sent before it was written down'],
    fetch(right) {
      let count = 0;
      return (url, init) => {
        const headers = new Headers(init.headers);
        const key = headers.get('idempotency-key') ?? '';
        if (init.method === 'POST') headers.set('idempotency-key', key.replace(/"$/, `-${++count}"`));
        return right(url, { ...init, headers });
      };
    },
  },
  'a 409 that says nothing more is the answer': {
    profile: 'fetch',
    found: ['rejected, and it happened', 'two effects'],
    fetch: (right) => async (url, init) => {
      const response = await right(url, init);
      const isBare = response.status === 409 && !(await response.text()).includes('"contract"');
      return isBare ? new Response('{"message":"conflict"}', { status: 400 }) : response;
    },
  },
  'a key that is over is renewed': {
    profile: 'nights',
    found: ['two effects', 'two charges', 'what is done was forgotten', 'struck out, and it happened'],
    journal: journal((right) => ({
      async claim(record) {
        const found = await right.claim(record);
        if (
          found === record ||
          found.state === 'completed' ||
          record.createdAt < (found.expiresAt ?? Infinity)
        )
          return found;
        await right.settle(found);
        return right.claim(record);
      },
    })),
  },
  'a logout leaves what is not known': {
    profile: 'nights',
    found: ['purged, and still there'],
    journal: journal((right) => ({
      settle: (record) => (record.state === 'unknown' ? undefined : right.settle(record)),
    })),
  },
  'what is unknown is shown as done': {
    found: ['completed, and it had not happened'],
    outcome: (right) =>
      right.status === 'unknown'
        ? { status: 'completed', data: undefined, replayed: undefined, key: right.key }
        : right,
  },
} satisfies Record<string, Mistake>;

export type MistakeName = keyof typeof MISTAKES;
