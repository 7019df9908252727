import { parseJsonExact } from './json-exact.ts';
import { splitMultipart } from './multipart.ts';
import { sha256Base64Url } from './sha256.ts';

/** What a request to a plain route asks for, as a value that `fingerprint` understands. */
export interface RouteInput {
  readonly method: string;
  /** The path as it was sent, escapes and all. The host isn't in it. */
  readonly path: string;
  /** Names and values, sorted by name; of one name in their order. As text where it holds escapes that are no UTF-8. */
  readonly query: readonly (readonly [name: string, value: string])[] | string;
  readonly content: RouteContent;
}

export type RouteContent =
  | { readonly kind: 'empty' }
  /** `application/json` or `+json`: what it means, not how it is written. */
  | { readonly kind: 'json'; readonly type: string; readonly value: unknown }
  /** Multipart: its parts in their order, without the boundary. */
  | {
      readonly kind: 'parts';
      readonly type: string;
      readonly parts: readonly {
        readonly headers: readonly (readonly [name: string, value: string])[];
        readonly sha256: string;
      }[];
    }
  /** All else, also JSON that is none, or is compressed, or not in UTF-8. */
  | { readonly kind: 'bytes'; readonly type: string; readonly encoding: string; readonly sha256: string };

export interface RouteRequest {
  readonly method: string;
  readonly path: string;
  /** What stands behind the path, with or without its question mark. */
  readonly search: string;
  readonly contentType?: string | null | undefined;
  readonly contentEncoding?: string | null | undefined;
  readonly body: Uint8Array;
}

/**
 * The input that identifies a request to a route which is no procedure: method, path, query and content.
 * `fingerprint(name, routeInput(request))` is the route's fingerprint. Never throws.
 *
 * @param options.asBytes takes the content as bytes whatever its type: for a body whose canonical form is beyond a limit
 */
export function routeInput(request: RouteRequest, options: { readonly asBytes?: boolean } = {}): RouteInput {
  const { method, path, search } = request;
  return { method, path, query: queryFrom(search), content: contentFrom(request, options.asBytes === true) };
}

function contentFrom({ contentType, contentEncoding, body }: RouteRequest, asBytes: boolean): RouteContent {
  if (body.length === 0) return { kind: 'empty' };
  const type = (contentType ?? '').toLowerCase().replace(/[ \t]/g, '');
  const encoding = (contentEncoding ?? '').toLowerCase().replace(/[ \t]/g, '');
  const bytes = (): RouteContent => ({ kind: 'bytes', type, encoding, sha256: sha256Base64Url(body) });
  if (asBytes || (encoding !== '' && encoding !== 'identity')) return bytes();
  const [essence = '', ...parameters] = type.split(';');
  if (essence === 'application/json' || /^[^/]+\/[^/]+\+json$/.test(essence)) {
    return jsonFrom(essence, parameters, body) ?? bytes();
  }
  if (!essence.startsWith('multipart/')) return bytes();
  // The boundary is told apart by case.
  const parts = splitMultipart(contentType ?? '', body);
  return parts === undefined
    ? bytes()
    : {
        kind: 'parts',
        type: essence,
        parts: parts.map((part) => ({ headers: part.headers, sha256: sha256Base64Url(part.body) })),
      };
}

function jsonFrom(essence: string, parameters: string[], body: Uint8Array): RouteContent | undefined {
  const others = parameters.filter(
    (parameter) => parameter !== '' && !/^charset="?(?:utf-?8|us-ascii)"?$/.test(parameter),
  );
  if (others.some((parameter) => parameter.startsWith('charset='))) return undefined;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body);
    return { kind: 'json', type: [essence, ...others].join(';'), value: parseJsonExact(text) };
  } catch {
    return undefined;
  }
}

function queryFrom(search: string): RouteInput['query'] {
  const text = search.startsWith('?') ? search.slice(1) : search;
  if (text === '') return [];
  try {
    const pairs = text
      .split('&')
      .filter((pair) => pair !== '')
      .map((pair): [string, string] => {
        const equals = pair.indexOf('=');
        return equals < 0
          ? [decoded(pair), '']
          : [decoded(pair.slice(0, equals)), decoded(pair.slice(equals + 1))];
      });
    return pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  } catch {
    return text;
  }
}

const decoded = (text: string): string => decodeURIComponent(text.replaceAll('+', ' '));
