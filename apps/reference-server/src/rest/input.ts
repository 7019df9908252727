import { createProblem, parseJsonExact, parseKeyHeader } from '@semel/contract/v1/pure';
import { IdempotencyError } from '@semel/server';
import { TRPCError } from '@trpc/server';
import { type JsonSchema, jsonSchemaOf } from './json-schema.ts';
import type { RestOperation } from './routes.ts';

/** A request's parts, as HTTP has them. */
export interface RequestParts {
  readonly params: Readonly<Record<string, string>>;
  /** A name that occurs twice is an array. */
  readonly query: Readonly<Record<string, string | readonly string[]>>;
  /** Parsed JSON; `undefined` where there was no body. */
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

const bad = (message: string): TRPCError => new TRPCError({ code: 'BAD_REQUEST', message });

/**
 * Path, query and body as the one raw input of the procedure: what the same call over tRPC would have sent, so that both
 * have one fingerprint.
 */
export function createInputReader(operation: RestOperation): (parts: RequestParts) => unknown {
  const members = jsonSchemaOf(operation.input, 'input').schema.properties ?? {};
  return ({ params, query, body, headers }) => {
    if (body !== undefined && (typeof body !== 'object' || body === null || Array.isArray(body))) {
      throw bad('The body has to be a JSON object');
    }
    const fromPath = Object.entries(params).map(([name, text]) => [name, typed(text, members[name])]);
    const fromQuery = Object.entries(query).map(([name, text]) => {
      if (typeof text !== 'string') throw bad(`The query has ${quoted(name)} more than once`);
      return [name, typed(text, members[name])];
    });
    const fromBody = Object.entries(body ?? {});
    const { keyMember } = operation;
    const fromHeader = keyMember === undefined ? [] : [[keyMember, keyFrom(headers)]];

    const all = [...fromPath, ...fromQuery, ...fromBody, ...fromHeader] as [string, unknown][];
    const input = Object.fromEntries(all); // defines members, whatever their name: `__proto__` is one like any other
    if (Object.keys(input).length < all.length) {
      const twice =
        all.find(([name], index) => all.findIndex(([other]) => other === name) < index)?.[0] ?? '';
      throw bad(`${quoted(twice)} stands in more than one place of the request`);
    }
    // The form for carriers without headers: here the key has a header, and two ways to say it are one too many.
    if (Object.hasOwn(input, '$idempotency')) {
      throw keyProblem(
        'key_malformed',
        'over REST the key is the Idempotency-Key header, and no part of the body',
      );
    }
    return input;
  };
}

/** What a path or a query can only say as text, as what the input calls for. What can't be read so is left to the parser. */
function typed(text: string, member: JsonSchema | undefined): unknown {
  const type = member?.type;
  if (
    (type === 'integer' || type === 'number') &&
    /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(text)
  ) {
    return parseJsonExact(text);
  }
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}

/** Of a call that asks about a key. */
function keyFrom(headers: RequestParts['headers']): string {
  if (headers['idempotency-keys'] !== undefined) throw keyProblem('key_malformed', ONE_CALL);
  const value = headers['idempotency-key'];
  if (value === undefined) throw keyProblem('key_missing', 'send the key to ask about in Idempotency-Key');
  const parsed = parseKeyHeader(typeof value === 'string' ? value : value.join(', '));
  if (!parsed.ok) throw keyProblem('key_malformed', parsed.reason);
  return parsed.key.key;
}

/** Said of `Idempotency-Keys`, the header of tRPC's batches. */
export const ONE_CALL = 'a REST request is one call: send Idempotency-Key';

function keyProblem(code: 'key_malformed' | 'key_missing', reason: string): TRPCError {
  const cause = new IdempotencyError(createProblem(code), { reason });
  return new TRPCError({ code: 'BAD_REQUEST', message: cause.message, cause });
}

const quoted = (name: string): string => JSON.stringify(name.slice(0, 50));
