/** Bounds on the work that one value may cause. */
export interface CanonicalLimits {
  /** Deepest nesting of arrays, objects, Maps, Sets… A lone string has depth 0. At most 1000. @default 64 */
  maxDepth?: number;
  /** Longest canonical text, in bytes of UTF-8. @default 1048576 */
  maxBytes?: number;
}

export type CanonicalErrorCode = 'cycle' | 'too_deep' | 'too_large' | 'unsupported';

/** A value that has no canonical form. The message says what to do and holds nothing of the value but its type. */
export class CanonicalError extends Error {
  override readonly name = 'CanonicalError';
  readonly code: CanonicalErrorCode;
  constructor(code: CanonicalErrorCode, message: string) {
    super(`${code}: ${message}`);
    this.code = code;
  }
}

/** State of one walk over a value. */
export interface Walk {
  readonly maxDepth: number;
  readonly maxBytes: number;
  /** The containers from the root to here. Only read when a limit is passed: what contains itself passes one soon. */
  readonly path: object[];
  readonly shapes: (Shape | undefined)[];
  /** Characters written so far, a lower bound of the bytes: stops the walk early. */
  size: number;
  readonly form: (value: unknown, depth: number, walk: Walk) => string;
}

/** Member names in the order an object had them, and their sorted, quoted form: rows of a table share it. */
export interface Shape {
  readonly given: readonly string[];
  readonly sorted: readonly string[];
  readonly labels: readonly string[];
  readonly size: number;
}

/** A value beyond a limit that contains itself is refused as what it is: raising the limit wouldn't help. */
function cycleAmong(path: readonly object[], depth: number): boolean {
  return new Set(path.slice(0, depth)).size < depth;
}

const CYCLE = 'the value contains itself; send a value without cycles';

export function tooDeep(walk: Walk, depth: number, value: object): CanonicalError {
  if (walk.path.slice(0, depth).includes(value) || cycleAmong(walk.path, depth)) {
    return new CanonicalError('cycle', CYCLE);
  }
  return new CanonicalError(
    'too_deep',
    `the value is nested deeper than ${walk.maxDepth} levels; flatten it`,
  );
}

export function tooLarge(walk: Walk, depth: number): CanonicalError {
  if (cycleAmong(walk.path, depth)) return new CanonicalError('cycle', CYCLE);
  const advice = 'send less, or let the policy pick the fields that identify the request';
  return new CanonicalError(
    'too_large',
    `the canonical form is longer than ${walk.maxBytes} bytes; ${advice}`,
  );
}

// JSON.stringify also escapes lone surrogates, which UTF-8 would make the same; where nothing needs an escape, the test
// is cheaper than the call. The backslash, the quote, controls and every surrogate take the slow way.
const NEEDS_ESCAPE = /[^ !#-[\]-\ud7ff\ue000-\uffff]/;

/** The JSON form of a string. */
export function quote(text: string): string {
  return text.length < 5000 && !NEEDS_ESCAPE.test(text) ? `"${text}"` : JSON.stringify(text);
}
