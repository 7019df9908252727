/**
 * Tells inputs apart that mean different things; members are sorted, and a shared reference equals a copy. Only this client
 * compares it, with itself; the server has a real hash of its own and the last word. So 64 bits that any machine computes
 * in microseconds will do, and the browser needn't carry SHA-256. What it misses (`-0`, the content of a file) the server refuses as `key_reused`.
 */
export function fingerprintOf(input: unknown): string {
  let a = 9;
  let b = 7;
  const text = form(input);
  for (let i = 0; i < text.length; i++) {
    a = Math.imul(a ^ text.charCodeAt(i), 0x5f356495);
    b = Math.imul(b ^ text.charCodeAt(i) ^ (a >>> 15), 0x2c1b3c6d);
  }
  return [a, b].map((part) => (part >>> 0).toString(36)).join('');
}

/** A text that is equal for equal values. */
function form(input: unknown): string {
  try {
    return JSON.stringify([input], function (this: Record<string, unknown>, name, value) {
      const raw = this[name];
      if (raw === undefined || typeof raw === 'bigint') return [typeof raw, `${raw}`];
      if (typeof raw !== 'object' || !raw || Array.isArray(raw)) return value;
      const kind = Object.prototype.toString.call(raw);
      if (Symbol.iterator in raw) {
        const parts = [...(raw as Iterable<unknown>)];
        return [kind, /Set|Map/.test(kind) ? parts.map(form).sort() : parts];
      }
      // A date has a text of its own, a file a size.
      if (raw !== value) return [kind, `${value}`];
      const members = Object.keys(raw)
        .filter((each) => value[each] !== undefined)
        .sort();
      return [kind, (raw as { size?: unknown }).size, members.map((each) => [each, value[each]])];
    });
  } catch {
    return ''; // A circle: no server takes it.
  }
}
