import { PolicyError } from '../../admission/policy.ts';

/** What describes the answer itself. Everything else belongs to the exchange that carried it, or to its caller. */
const ALWAYS: readonly string[] = [
  'content-type',
  'content-encoding',
  'content-language',
  'content-disposition',
  'content-location',
  'content-digest',
  'repr-digest',
  'etag',
  'last-modified',
  'link',
  'location',
];

/** One caller's, one connection's or one moment's: no policy can have them replayed. */
const NEVER =
  /^(?:set-cookie2?|authorization|authentication-info|proxy-.*|www-authenticate|date|age|connection|keep-alive|te|trailer|transfer-encoding|upgrade|content-length|server-timing|traceparent|tracestate|b3|x-b3-.*|x-request-id|x-trace-id|x-amzn-trace-id|access-control-.*|idempotency-.*|cache-control)$/;

/**
 * The names of headers that a replay carries, in lower case.
 *
 * @throws PolicyError for a header that must never be replayed, or no header's name
 */
export function replayHeadersFrom(added: readonly string[] = []): ReadonlySet<string> {
  const names = added.map((name) => String(name).toLowerCase());
  const wrong = names.filter((name) => !/^[!#-'*+\-.0-9a-z^_`|~]+$/.test(name) || NEVER.test(name));
  if (wrong.length > 0) {
    throw new PolicyError(
      `idempotency policy: replayHeaders can't name ${wrong.join(', ')}: it belongs to one caller, connection or moment, or is no header`,
    );
  }
  return new Set([...ALWAYS, ...names]);
}
