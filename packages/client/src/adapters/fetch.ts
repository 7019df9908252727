import { parsed } from '../delivery/verdict.ts';
import { HttpAnswerError } from '../errors.ts';

type Fetch = (url: string | URL | Request, init?: RequestInit) => Promise<Response>;

/**
 * A fetch for tRPC's HTTP links. An answer that isn't tRPC's (a proxy's HTML 502, an empty 500, a gateway's JSON 429)
 * becomes an `HttpAnswerError`, which arrives as `TRPCClientError.cause` with its status and headers; tRPC alone
 * reports a syntax error, or worse, an abort.
 *
 * @param base the fetch that sends. @default the global one
 */
export const createFetch =
  (base?: Fetch) =>
  // Loosely typed on purpose: tRPC describes its requests more narrowly than the DOM does.
  async (url: string | URL | Request, init?: object): Promise<Response> => {
    const response = await (base ?? fetch)(url, init);
    if (response.ok) return response;
    const body = await response.clone().text();
    if (isTrpcAnswer(body)) return response;
    throw new HttpAnswerError(response.status, response.headers, body);
  };

/** `{ error: { code, message } }`, as a transformer wraps it too, or a batch of answers. */
function isTrpcAnswer(body: string): boolean {
  // biome-ignore lint/suspicious/noExplicitAny: it is what came over the wire
  const answer = [parsed(body)].flat()[0] as any;
  const error = answer?.error;
  return !!answer?.result || typeof (error?.json ?? error)?.code === 'number';
}
