import type { IdempotencyKey } from '@semel/contract/v1/pure';
import { coreOf, type SemelClient } from '../client.ts';
import type { Core } from '../delivery/core.ts';
import { send } from '../delivery/send.ts';
import { parsed } from '../delivery/verdict.ts';
import type { Start } from '../delivery/within.ts';
import { HttpAnswerError } from '../errors.ts';
import type { Intent } from '../intent/intent.ts';
import type { Outcome } from '../outcome.ts';
import { acceptedIn, keyHeaders, OPERATION, REPLAYED } from '../wire.ts';
import { asValues } from './slot.ts';

type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

/** `fetch`'s options, and the key of the action. A body that is a stream can't be sent twice and is refused. */
export interface KeyedRequestInit extends Omit<RequestInit, 'body'> {
  /** @default a new one */
  key?: string | IdempotencyKey;
  /** What the user wants done: run again, it's the same action. A `key` goes before it. */
  intent?: Intent | string;
  body?: Exclude<BodyInit, ReadableStream> | null;
}

/** How a server reads keys. */
export interface KeyedFetchOptions {
  /**
   * Says with every attempt but the first how old its key is (`"k";age=60`), so that a server that may have forgotten it
   * refuses instead of doing it again. For servers that parse the header as draft-07 asks, as Semel's do. To one that
   * takes it for a text, as published middleware does, that is another key: each attempt would be done.
   *
   * @default false: what is older than the client's `retentionMs` isn't sent
   */
  age?: boolean;
}

/** A fetch that sends one user action and says what became of it. Its `data` is the response. */
export type KeyedFetch = (url: string | URL, init?: KeyedRequestInit) => Promise<Outcome<Response>>;

/**
 * Makes a fetch for keyed requests to plain routes, under the same rules as the link and with the client's journal and
 * budget. Method by default `POST`. The body of the answer is read within the attempt: an answer cut off in the middle
 * is no answer.
 *
 * Works against any server that follows draft-07. A 409 that says nothing of Semel's is "outstanding", as in the draft:
 * it's waited for, and at the deadline `in_flight`, with the answer as `cause`. All other codes below 500 are the answer.
 *
 * @param base the fetch that sends. @default the global one
 * @throws TypeError from the fetch, for a stream as body or an invalid key
 *
 * @example
 * const send = keyedFetch(semel);
 * const outcome = await send('/v1/orders', { body: JSON.stringify(order) });
 */
export const keyedFetch =
  (
    semel: SemelClient,
    base: Fetch = (url, init) => fetch(url, init),
    { age = false }: KeyedFetchOptions = {},
  ): KeyedFetch =>
  (url, init = {}) =>
    request(coreOf(semel), base, age, url, init);

async function request(
  core: Core,
  base: Fetch,
  hasAge: boolean,
  url: string | URL,
  { key, intent, ...init }: KeyedRequestInit,
): Promise<Outcome<Response>> {
  const { method = 'POST', body, signal } = init;
  if (body instanceof ReadableStream) throw new TypeError('a stream cannot be sent twice');
  const path = `${method} ${url}`;
  const action = core.actions.of(path, body, key, intent);
  let location = url;
  const start =
    <T>(
      make: () => RequestInit & { url: string | URL },
      read: (response: Response, text: string) => T,
    ): Start<T> =>
    (resolve, reject) => {
      const end = new AbortController();
      const { url, ...options } = make();
      base(url, { ...options, signal: end.signal })
        .then(async (response) => {
          const text = await response.clone().text();
          if (!response.ok) throw new HttpAnswerError(response.status, response.headers, text);
          resolve(read(response, text));
        })
        .catch(reject);
      return () => end.abort();
    };
  const { outcome, value } = await send(
    core,
    action,
    {
      keyed: () => true,
      place: () => 'true',
      attempt: (sent) =>
        start(
          () => {
            // What a server isn't told, it can't refuse: after a night's sleep, say, in the middle of a call.
            if (!hasAge && (sent.ageMs ?? 0) > core.retentionMs) {
              throw new HttpAnswerError(409, new Headers(), '{"contract":1,"code":"key_expired"}');
            }
            const headers = new Headers(init.headers);
            for (const [name, value] of Object.entries(keyHeaders([hasAge ? sent : { key: sent.key }])))
              headers.set(name, value);
            return { ...init, body: body ?? null, method, headers, url };
          },
          (data, text) => ({ data, text }),
        ),
      accepted({ data, text }) {
        const body = data.status === 202 ? acceptedIn(parsed(text)) : undefined;
        if (body) {
          const path = data.headers.get('location') ?? `/idempotency/operations/${body.operationId}`;
          location = new URL(path, data.url || url);
        }
        return body;
      },
      status: () =>
        start(
          () => ({ ...init, body: null, method: 'GET', url: location }),
          (_, text) => parsed(text),
        ),
      read({ data }) {
        const { headers } = data;
        // A server that isn't Semel's may not say it.
        const isFirst = headers.has(OPERATION) ? false : undefined;
        return { data, replayed: headers.get(REPLAYED) === 'true' || isFirst };
      },
    },
    signal ?? new AbortController().signal,
  );
  // Two calls that have one answer read a body each.
  const told = { ...outcome, ...(outcome.status === 'completed' && { data: value?.data.clone() }) };
  asValues.add(told);
  return told as Outcome<Response>;
}
