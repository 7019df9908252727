import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { fingerprint, parseJsonExact, parseKeyHeader } from '@semel/contract/v1/pure';

/** An answer as it is kept. */
export interface Kept {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface Arrived {
  readonly principal: string;
  readonly path: string;
  readonly query: string;
  readonly key: string;
  readonly type: string;
  readonly bytes: Buffer;
}

export type KeyRead =
  | { readonly key: string; readonly ageMs?: number }
  | { readonly problem: 'key_missing' | 'key_malformed' };

/** Every decision of the little server. A wrong server is the right one with one of them replaced. */
export interface Rules {
  readKey(req: IncomingMessage): KeyRead;
  /** Under what a record is found. */
  identity(arrived: Arrived): string;
  fingerprint(arrived: Arrived): string;
  /** Between looking for a record and writing one; awaited when it returns something. */
  beforeClaim(): Promise<void> | undefined;
  /** What is kept of a handler's answer; nothing frees the key. */
  keep(answer: Kept): Kept | undefined;
  /** What is sent of a kept answer; nothing runs the handler again. */
  replay(kept: Kept): Kept | undefined;
  /** Whether a record with another fingerprint is refused. */
  refusesOthers: boolean;
  /** A refusal takes the place of the record that caused it. */
  keepsRefusals: boolean;
  validatesFirst: boolean;
  /** A handler goes on whose client has gone. */
  survivesHangUp: boolean;
  /** A request is refused while the store is away. */
  failsClosed: boolean;
  cacheControl: string;
  /** What a repetition of queued work gets that isn't done yet. */
  queuedAgain: 'accepted' | 'conflict' | 'runs';
  /** A 202 says where to ask. */
  saysWhere: boolean;
  /** Queued work that is done is answered as such. */
  queueEnds: boolean;
  /** A queued handler that failed for now is run again. */
  retriesQueued: boolean;
  /** Only its own principal is told of an operation. */
  statusScoped: boolean;
  /** Believes it when a client says what the server itself should know. */
  isHit(req: IncomingMessage): boolean;
}

const REPLAYED = ['content-type', 'location'];

export const RIGHT: Rules = {
  readKey(req) {
    const lines = headerLines(req, 'idempotency-key');
    if (lines.length === 0) return { problem: 'key_missing' };
    if (lines.length > 1 || req.headers['idempotency-keys'] !== undefined) {
      return { problem: 'key_malformed' };
    }
    const parsed = parseKeyHeader(lines[0] as string);
    return parsed.ok ? parsed.key : { problem: 'key_malformed' };
  },
  identity: ({ principal, path, key }) => JSON.stringify([principal, path, key]),
  fingerprint: ({ path, query, type, bytes }) => {
    const [essence = ''] = type.split(';');
    if (essence === 'application/json') {
      return fingerprint(path, [query, parseJsonExact(bytes.toString('utf8'))]);
    }
    const boundary = /boundary=([^;]+)/.exec(type)?.[1];
    const text = bytes.toString('latin1');
    const content = boundary === undefined ? text : text.replaceAll(boundary, '');
    return digest(JSON.stringify([path, query, essence, content]));
  },
  beforeClaim: () => undefined,
  keep: (answer) => (answer.status >= 500 ? undefined : answer),
  replay: (kept) => ({
    ...kept,
    headers: Object.fromEntries(Object.entries(kept.headers).filter(([name]) => REPLAYED.includes(name))),
  }),
  refusesOthers: true,
  keepsRefusals: false,
  validatesFirst: true,
  survivesHangUp: true,
  failsClosed: true,
  cacheControl: 'private, no-store',
  queuedAgain: 'accepted',
  saysWhere: true,
  queueEnds: true,
  retriesQueued: true,
  statusScoped: true,
  isHit: () => false,
};

/** As they came: Node joins the lines of a header that it doesn't know. */
export function headerLines(req: IncomingMessage, name: string): string[] {
  return req.rawHeaders.filter((_, at) => at % 2 === 1 && req.rawHeaders[at - 1]?.toLowerCase() === name);
}

export const digest = (text: string): string => createHash('sha256').update(text).digest('hex');
