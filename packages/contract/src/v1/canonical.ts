import { exoticForm } from './canonical-exotic.ts';
import {
  CanonicalError,
  type CanonicalLimits,
  quote,
  type Shape,
  tooDeep,
  tooLarge,
  type Walk,
} from './canonical-walk.ts';

/**
 * One text per meaning, and one meaning per text. Like JSON with sorted members, extended by tagged forms:
 * `-0`, `NaN`, `Infinity`, `undefined`, `hole`, `12n`, `Date(0)`, `Map{k:v}`, `Set{v}`, `RegExp(…)`, `Error(…)`, `URL(…)`,
 * `Bytes(type hex)`, `Json(tag form)` for an instance with `toJSON`.
 *
 * Not part of the meaning: the order of members, and of entries of a Map or Set (two clients that fill a Map in another
 * order ask for the same); whether two places share one object or hold equal ones; a null prototype; a RegExp's lastIndex;
 * an Error's stack; members named by symbols and named members of arrays, which no transport carries.
 * Part of it: everything else, so absent differs from undefined and from null, `1` from `1n` and `'1'`, NFC from NFD.
 *
 * @throws CanonicalError `cycle` | `too_deep` | `too_large` | `unsupported` (functions, symbols, class instances without
 * `toJSON`, and what can't be read synchronously: Blob, File, FormData, streams, promises).
 */
export function canonicalForm(value: unknown, limits?: CanonicalLimits): string {
  const walk: Walk = {
    // The walk recurses; 1000 levels fit every engine's stack.
    maxDepth: Math.min(limits?.maxDepth ?? 64, 1000),
    maxBytes: limits?.maxBytes ?? 1_048_576,
    path: [],
    shapes: [],
    size: 0,
    form,
  };
  const text = form(value, 0, walk);
  // No UTF-16 unit takes more than three bytes: most texts need no exact count.
  if (text.length * 3 > walk.maxBytes && utf8Length(text) > walk.maxBytes) throw tooLarge(walk, 0);
  return text;
}

function form(value: unknown, depth: number, walk: Walk): string {
  switch (typeof value) {
    case 'string':
      walk.size += value.length + 2;
      if (walk.size > walk.maxBytes) throw tooLarge(walk, depth);
      return quote(value);
    case 'number':
      return value === 0 && Object.is(value, -0) ? '-0' : `${value}`;
    case 'boolean':
      return value ? 'true' : 'false';
    case 'undefined':
      return 'undefined';
    case 'bigint':
      return bigintForm(value, depth, walk);
    case 'object':
      return value === null ? 'null' : containerForm(value, depth, walk);
    case 'function':
    case 'symbol':
      throw new CanonicalError(
        'unsupported',
        `a ${typeof value} has no value to compare; leave it out of the input`,
      );
  }
}

function containerForm(value: object, depth: number, walk: Walk): string {
  if (depth >= walk.maxDepth) throw tooDeep(walk, depth, value);
  walk.path[depth] = value;
  if (Array.isArray(value)) return arrayForm(value, depth, walk);
  const prototype = Object.getPrototypeOf(value);
  // The second half lets plain objects of another realm (a worker, jsdom) pass: their prototype has none itself.
  if (prototype === Object.prototype || prototype === null || isPlain(value, prototype)) {
    return objectForm(value as Record<string, unknown>, depth, walk);
  }
  return exoticForm(value, depth, walk);
}

function isPlain(value: object, prototype: object): boolean {
  return (
    Object.getPrototypeOf(prototype) === null && Object.prototype.toString.call(value) === '[object Object]'
  );
}

function arrayForm(array: readonly unknown[], depth: number, walk: Walk): string {
  const length = array.length;
  walk.size += length + 1;
  if (walk.size > walk.maxBytes) throw tooLarge(walk, depth); // before looping over `new Array(4e9)`
  if (length === 0) return '[]';
  let text = '[';
  for (let i = 0; i < length; i++) {
    const item = array[i];
    if (i > 0) text += ',';
    text += item === undefined && !Object.hasOwn(array, i) ? 'hole' : form(item, depth + 1, walk);
  }
  return `${text}]`;
}

function objectForm(object: Record<string, unknown>, depth: number, walk: Walk): string {
  const keys = Object.keys(object);
  if (keys.length === 0) return '{}';
  let shape = walk.shapes[depth];
  if (shape === undefined || !sameKeys(shape.given, keys)) {
    shape = shapeOf(keys);
    walk.shapes[depth] = shape;
  }
  walk.size += shape.size;
  if (walk.size > walk.maxBytes) throw tooLarge(walk, depth);
  const { sorted, labels } = shape;
  let text = '';
  for (let i = 0; i < sorted.length; i++) {
    text += (labels[i] as string) + form(object[sorted[i] as string], depth + 1, walk);
  }
  return `${text}}`;
}

function sameKeys(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function shapeOf(given: string[]): Shape {
  const sorted = sortedKeys(given);
  const labels: string[] = [];
  let size = 2;
  for (const key of sorted) {
    const label = `${size === 2 ? '{' : ','}${quote(key)}:`;
    labels.push(label);
    size += label.length;
  }
  return { given, sorted, labels, size };
}

/** By UTF-16 code units, as RFC 8785 sorts and `<` and `sort` compare: the same in every locale and runtime. */
function sortedKeys(given: readonly string[]): string[] {
  const keys = given.slice();
  if (keys.length > 32) return keys.sort();
  // Insertion: for the few members that objects have it takes a third of the time of a call of `sort`.
  for (let i = 1; i < keys.length; i++) {
    const key = keys[i] as string;
    let at = i - 1;
    while (at >= 0 && (keys[at] as string) > key) {
      keys[at + 1] = keys[at] as string;
      at--;
    }
    keys[at + 1] = key;
  }
  return keys;
}

function bigintForm(value: bigint, depth: number, walk: Walk): string {
  // Hexadecimal: converting a long bigint to decimal takes quadratic time.
  const text = `${value.toString(16)}n`;
  walk.size += text.length;
  if (walk.size > walk.maxBytes) throw tooLarge(walk, depth);
  return text;
}

function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length;
}
