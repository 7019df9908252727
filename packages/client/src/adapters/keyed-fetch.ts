import {
  CONTRACT_VERSION,
  HEADER,
  type IdempotencyKey,
  isAcceptedBody,
  serializeKeyHeader,
} from '@semel/contract/v1/pure';
import { coreOf, type SemelClient } from '../client.ts';
import { type Core, send } from '../delivery/send.ts';
import { parsed } from '../delivery/verdict.ts';
import type { Start } from '../delivery/within.ts';
import { HttpAnswerError } from '../errors.ts';
import { type Intent, intentId } from '../intent/intent.ts';
import type { Outcome } from '../outcome.ts';

type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

/** `fetch`'s options, and the key of the action. A body that is a stream can't be sent twice and is refused. */
export interface KeyedRequestInit extends Omit<RequestInit, 'body'> {
  /** @default a new one */
  key?: string | IdempotencyKey;
  /** What the user wants done: run again, it's the same action. A `key` goes before it. */
  intent?: Intent | string;
  body?: Exclude<BodyInit, ReadableStream> | null;
}

/** A fetch that sends one user action and says what became of it. Its `data` is the response. */
export type KeyedFetch = (url: string | URL, init?: KeyedRequestInit) => Promise<Outcome<Response>>;

/**
 * Makes a fetch for keyed requests to plain routes, under the same rules as the link and with the client's journal and
 * budget. Method by default `POST`. The body of the answer is read within the attempt: an answer cut off in the middle
 * is no answer.
 *
 * @param base the fetch that sends. @default the global one
 * @throws TypeError from the fetch, for a stream as body or an invalid key
 *
 * @example
 * const send = keyedFetch(semel);
 * const outcome = await send('/v1/orders', { body: JSON.stringify(order) });
 */
export const keyedFetch =
  (semel: SemelClient, base: Fetch = (url, init) => fetch(url, init)): KeyedFetch =>
  (url, init = {}) =>
    request(coreOf(semel), base, url, init);

async function request(
  core: Core,
  base: Fetch,
  url: string | URL,
  { key, intent, ...init }: KeyedRequestInit,
): Promise<Outcome<Response>> {
  const { method = 'POST', body, signal } = init;
  if (body instanceof ReadableStream) throw new TypeError('a stream cannot be sent twice');
  const path = `${method} ${url}`;
  const action = core.describe(core.actions.of(path, undefined, key, intentId(intent)), body);
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
      attempt: (sent) =>
        start(
          () => {
            const headers = new Headers(init.headers);
            headers.set(HEADER.key, serializeKeyHeader(sent));
            headers.set(HEADER.contract, `${CONTRACT_VERSION}`);
            return { ...init, body: body ?? null, method, headers, url };
          },
          (data, text) => ({ data, text }),
        ),
      accepted({ data, text }) {
        const json = data.status === 202 && parsed(text);
        if (!isAcceptedBody(json)) return undefined;
        const path = data.headers.get('location') ?? `/idempotency/operations/${json.operationId}`;
        location = new URL(path, data.url || url);
        return json;
      },
      status: () =>
        start(
          () => ({ ...init, body: null, method: 'GET', url: location }),
          (_, text) => parsed(text),
        ),
      read: ({ data }) => ({ data, replayed: data.headers.get(HEADER.replayed) === 'true' }),
    },
    signal ?? new AbortController().signal,
  );
  // Two calls that have one answer read a body each.
  return {
    ...outcome,
    ...(outcome.status === 'completed' && { data: value?.data.clone() }),
  } as Outcome<Response>;
}
