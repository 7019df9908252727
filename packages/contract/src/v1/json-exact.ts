// A number that JSON.parse may change: 16 digits or more, or an exponent of 3 digits. Also matches inside strings:
// a false alarm only costs the slow way.
const RISKY = /\d{16}|\d[eE][+-]?\d{3}/;

/** A number of a JSON text whose value no JavaScript number has. */
class ExactNumber {
  readonly source: string;
  constructor(source: string) {
    this.source = source;
  }
  get [Symbol.toStringTag](): string {
    return 'JsonNumber';
  }
  toJSON(): string {
    return this.source;
  }
}

type Reviver = (this: unknown, key: string, value: unknown, context?: { source?: string }) => unknown;

/**
 * Parses a JSON text for `fingerprint` without losing numbers: 9007199254740993 and 9007199254740992 stay two, and so do
 * 1e400 and 1e401, as something that only `canonicalForm` can read. Of a member that occurs twice the last counts, as
 * in JSON.parse; `__proto__` is a member like any other.
 *
 * @throws SyntaxError for a text that is no JSON.
 */
export function parseJsonExact(text: string): unknown {
  if (!RISKY.test(text)) return JSON.parse(text);
  const revive: Reviver = (_key, value, context) =>
    typeof value === 'number' && context?.source !== undefined && changed(context.source, value)
      ? new ExactNumber(context.source)
      : value;
  return (JSON.parse as (text: string, reviver: Reviver) => unknown)(text, revive);
}

function changed(source: string, value: number): boolean {
  if (!Number.isFinite(value)) return true;
  if (!/^-?\d{16,}$/.test(source)) return false;
  // JavaScript itself writes a large number with the fewest digits that read back to it, and that text stands for it.
  return Math.abs(value) < 1e21 ? source !== String(value) : BigInt(source) !== BigInt(value);
}
