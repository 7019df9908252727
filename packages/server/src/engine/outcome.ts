import {
  type GoneReason,
  hasReservedMember,
  parseOutcome,
  type SerializedValue,
  serializeOutcome,
} from '@semel/contract/v1/pure';
import superjson from 'superjson';
import type { DescribedError } from './failure.ts';

/** What carries values with their types (Date, Map, bigint …): superjson, or the application's own transformer. */
export interface Serializer {
  serialize(value: unknown): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: each serializer reads back what it wrote, and says of it what it likes
  deserialize(data: any): unknown;
}

export type Outcome =
  | { readonly kind: 'completed'; readonly value: unknown }
  | { readonly kind: 'failed'; readonly error: DescribedError }
  | { readonly kind: 'gone' };

/** Outcomes and step results to text and back. */
export interface OutcomeCodec {
  /** @throws UnstorableOutcome for what can't be replayed: a stream, a function, a reserved member */
  fromValue(value: unknown, maxBytes: number): string;
  fromError(error: DescribedError, maxBytes: number): string;
  /** What can't be read is `gone`, never a reason to run again. */
  toOutcome(text: string | undefined): Outcome;
  stepFromValue(value: unknown): string;
  stepToValue(text: string): unknown;
}

/** The answer can't be stored, and so can't be promised to anyone: a mistake in the handler, said at its first run. */
export class UnstorableOutcome extends Error {
  override readonly name = 'UnstorableOutcome';
}

/** Marks a value that the application's own transformer wrote in a form of its own. */
const OWN_FORM = { transformer: 'own' };

/**
 * Most answers are plain JSON: those skip the serializer, which costs several times JSON.stringify.
 *
 * @param serializer @default superjson
 */
export function createOutcomeCodec(serializer: Serializer = superjson): OutcomeCodec {
  const likeSuperjson = isSuperjsonForm(serializer.serialize({ at: new Date(0) }));

  function encode(value: unknown): SerializedValue {
    if (isPlainJson(value, 0)) return { json: value };
    const data = serializer.serialize(value);
    if (!likeSuperjson || !isSuperjsonForm(data)) return { json: data, meta: OWN_FORM };
    return data.meta === undefined ? { json: data.json } : { json: data.json, meta: data.meta };
  }

  function decode(encoded: unknown): unknown {
    const { json, meta } = encoded as SerializedValue;
    if (meta === undefined) return json;
    if ((meta as Partial<typeof OWN_FORM>).transformer === 'own') return serializer.deserialize(json);
    return (likeSuperjson ? serializer : (superjson as Serializer)).deserialize({ json, meta });
  }

  return {
    fromValue(value, maxBytes) {
      refuseUnstorable(value);
      return bounded(serializeOutcome({ v: 1, ok: true, value: encode(value) }), true, maxBytes);
    },
    fromError(error, maxBytes) {
      const { shape, ...plain } = error;
      const stored = shape === undefined ? plain : { ...plain, shape: encode(shape) };
      return bounded(serializeOutcome({ v: 1, ok: false, error: stored }), false, maxBytes);
    },
    toOutcome(text) {
      const stored = text === undefined ? undefined : parseOutcome(text);
      if (stored === undefined || 'gone' in stored) return { kind: 'gone' };
      try {
        if (stored.ok) return { kind: 'completed', value: decode(stored.value) };
        const { shape, ...plain } = stored.error;
        return { kind: 'failed', error: shape === undefined ? plain : { ...plain, shape: decode(shape) } };
      } catch {
        return { kind: 'gone' };
      }
    },
    stepFromValue(value) {
      refuseStream(value, 'A step');
      return JSON.stringify(encode(value));
    },
    stepToValue: (text) => decode(JSON.parse(text)),
  };
}

const isSuperjsonForm = (data: unknown): data is SerializedValue =>
  typeof data === 'object' && data !== null && 'json' in data;

const MAX_PLAIN_DEPTH = 32;

/** True when JSON.parse(JSON.stringify(value)) gives the same value back. */
function isPlainJson(value: unknown, depth: number): boolean {
  if (typeof value === 'string' || typeof value === 'boolean') return true;
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0);
  if (typeof value !== 'object') return false;
  if (value === null) return true;
  if (depth > MAX_PLAIN_DEPTH) return false;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (!isPlainJson(value[i], depth + 1)) return false;
    return true;
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) return false;
  for (const name in value) {
    if (name === '__proto__' || name === 'toJSON') return false;
    if (!isPlainJson((value as Record<string, unknown>)[name], depth + 1)) return false;
  }
  return true;
}

function refuseUnstorable(value: unknown): void {
  if (hasReservedMember(value)) {
    throw new UnstorableOutcome(
      'An output with a top-level member "$idempotency" is reserved by the wire contract; rename it.',
    );
  }
  refuseStream(value, 'An idempotent procedure');
}

function refuseStream(value: unknown, who: string): void {
  const what = streamName(value);
  if (what === undefined) return;
  throw new UnstorableOutcome(
    `${who} can't return ${what}: there would be nothing to replay. Return the finished value.`,
  );
}

function streamName(value: unknown): string | undefined {
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return undefined;
  if (Symbol.asyncIterator in value) return 'a stream (async iterable)';
  if (typeof ReadableStream !== 'undefined' && value instanceof ReadableStream) return 'a ReadableStream';
  if (typeof Response !== 'undefined' && value instanceof Response) return 'a Response';
  if (typeof Blob !== 'undefined' && value instanceof Blob) return 'a Blob';
  if ('subscribe' in value && typeof value.subscribe === 'function') return 'an observable';
  // tRPC streams promises found one level down.
  for (const member of Object.values(value)) {
    if (typeof member !== 'object' || member === null) continue;
    if (typeof (member as { then?: unknown }).then === 'function') return 'a promise inside its output';
    if (Symbol.asyncIterator in member) return 'a stream (async iterable) inside its output';
  }
  return undefined;
}

/** An outcome too large to keep leaves a tombstone: it is known that it finished, and nothing runs again. */
function bounded(text: string, ok: boolean, maxBytes: number): string {
  // Cheap upper bound first: a UTF-16 unit is at most 3 bytes of UTF-8.
  if (text.length * 3 <= maxBytes || Buffer.byteLength(text) <= maxBytes) return text;
  return tombstone(ok, 'too_large');
}

/** It finished, and its answer isn't kept. */
export function tombstone(ok: boolean, gone: GoneReason): string {
  return serializeOutcome({ v: 1, ok, gone });
}
