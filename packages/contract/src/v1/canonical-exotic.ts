import { CanonicalError, quote, tooLarge, type Walk } from './canonical-walk.ts';
import { hexFromBytes } from './sha256.ts';

// What is neither an array nor a plain object. Told apart by Object.prototype.toString, which works across realms, and
// read through the method of the built-in's own prototype, which throws when an object only pretends to be one.

const UNREADABLE: Record<string, string> = {
  Blob: 'fingerprint its bytes with fingerprintBytes, or let the policy pick other fields',
  File: 'fingerprint its bytes with fingerprintBytes, or let the policy pick other fields',
  FormData: 'fingerprint its parts with fingerprintParts, or let the policy pick other fields',
  ReadableStream: 'read it first and fingerprint its bytes with fingerprintBytes',
  Promise: 'await it first',
};

export function exoticForm(value: object, depth: number, walk: Walk): string {
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  switch (tag) {
    case 'Date':
      return `Date(${read(tag, () => Date.prototype.getTime.call(value))})`;
    case 'Map': {
      const entries = read(tag, () => [...Map.prototype.entries.call(value)]);
      return mapForm(entries, depth, walk);
    }
    case 'Set': {
      const items = read(tag, () => [...Set.prototype.values.call(value)]);
      return setForm(items, depth, walk);
    }
    case 'RegExp': {
      const { source, flags } = value as RegExp;
      return `RegExp(${text(tag, source, depth, walk)}${text(tag, flags, depth, walk)})`;
    }
    case 'Error':
      return errorForm(value as Error, depth, walk);
    case 'URL':
      return `URL(${text(tag, (value as URL).href, depth, walk)})`;
    case 'URLSearchParams': {
      const query = read(tag, () => URLSearchParams.prototype.toString.call(value));
      return `URLSearchParams(${text(tag, query, depth, walk)})`;
    }
    case 'String':
    case 'Number':
    case 'Boolean':
    case 'BigInt': {
      const primitive = read(tag, () => unboxed(value, tag));
      return walk.form(primitive, depth, walk);
    }
    case 'ArrayBuffer':
    case 'SharedArrayBuffer': {
      const bytes = read(tag, () => new Uint8Array(value as ArrayBuffer));
      return bytesForm(tag, bytes, depth, walk);
    }
    default:
      break;
  }
  if (ArrayBuffer.isView(value)) {
    return bytesForm(tag, new Uint8Array(value.buffer, value.byteOffset, value.byteLength), depth, walk);
  }
  return instanceForm(value, tag, depth, walk);
}

/** A boxed primitive is its primitive, on the wire as well. */
function unboxed(value: object, tag: 'String' | 'Number' | 'Boolean' | 'BigInt'): unknown {
  if (tag === 'String') return String.prototype.valueOf.call(value);
  if (tag === 'Number') return Number.prototype.valueOf.call(value);
  if (tag === 'Boolean') return Boolean.prototype.valueOf.call(value);
  return BigInt.prototype.valueOf.call(value);
}

/** Reads a built-in by its prototype's own method: an object that only bears its name is refused. */
function read<T>(tag: string, get: () => T): T {
  try {
    return get();
  } catch {
    throw impostor(tag);
  }
}

function impostor(tag: string): CanonicalError {
  return new CanonicalError('unsupported', `an object that calls itself ${quote(tag)} is none`);
}

function instanceForm(value: object, tag: string, depth: number, walk: Walk): string {
  const advice = UNREADABLE[tag];
  if (advice) throw new CanonicalError('unsupported', `a ${tag} can't be read here; ${advice}`);
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === 'function') {
    // The tag keeps Decimal('1') apart from '1'. Not the class name: bundlers rename classes from build to build,
    // and a fingerprint has to outlive a build. Two classes without Symbol.toStringTag and with equal JSON are equal.
    const json = callToJson(value, toJSON as (key: string) => unknown, tag);
    return `Json(${quote(tag)}${walk.form(json, depth + 1, walk)})`;
  }
  // Its members may be only half of it (private fields, internal slots): equal text for different things is the
  // worse failure, so refuse where a developer sees it at the first call.
  throw new CanonicalError(
    'unsupported',
    `an instance of a class (${quote(tag)}) has no value to compare; send a plain object or give the class a toJSON method`,
  );
}

function callToJson(value: object, toJSON: (key: string) => unknown, tag: string): unknown {
  try {
    return toJSON.call(value, '');
  } catch (cause) {
    const error = new CanonicalError('unsupported', `the toJSON method of an instance (${quote(tag)}) threw`);
    error.cause = cause;
    throw error;
  }
}

function mapForm(entries: [unknown, unknown][], depth: number, walk: Walk): string {
  walk.size += entries.length * 2;
  const forms = entries.map(
    ([key, item]) => `${walk.form(key, depth + 1, walk)}:${walk.form(item, depth + 1, walk)}`,
  );
  return `Map{${sorted(forms)}}`;
}

function setForm(items: unknown[], depth: number, walk: Walk): string {
  walk.size += items.length;
  return `Set{${sorted(items.map((item) => walk.form(item, depth + 1, walk)))}}`;
}

/** Every form ends where it ends by its own grammar, so sorted and joined forms can still be told apart. */
function sorted(entries: string[]): string {
  return entries.sort().join(',');
}

function errorForm(error: Error, depth: number, walk: Walk): string {
  const members: Record<string, unknown> = Object.fromEntries(Object.entries(error));
  // Own but not enumerable.
  for (const name of ['cause', 'errors'] as const) {
    const property = Object.getOwnPropertyDescriptor(error, name);
    if (property) members[name] = property.value;
  }
  const head = quote(String(error.name)) + quote(String(error.message));
  return `Error(${head}${walk.form(members, depth + 1, walk)})`;
}

function bytesForm(type: string, bytes: Uint8Array, depth: number, walk: Walk): string {
  walk.size += bytes.length * 2;
  if (walk.size > walk.maxBytes) throw tooLarge(walk, depth);
  return `Bytes(${quote(type)}${hexFromBytes(bytes)})`;
}

function text(tag: string, value: string, depth: number, walk: Walk): string {
  if (typeof value !== 'string') throw impostor(tag);
  return walk.form(value, depth, walk);
}
