/**
 * Tells inputs apart that mean different things; members are sorted, and a shared reference equals a copy. Only this client
 * compares it, with itself; the server has a real hash of its own and the last word. So 64 bits that any machine computes
 * in microseconds will do, and the browser needn't carry SHA-256. What it misses (`-0`, the content of a file) the server refuses as `key_reused`.
 */
export function fingerprintOf(input: unknown): string {
  const text = form(input);
  let a = 9;
  let b = 7;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x5f356495);
    b = Math.imul(b ^ unit ^ (a >>> 15), 0x2c1b3c6d);
  }
  return (a >>> 0).toString(36) + (b >>> 0).toString(36);
}

/** A text that is equal for equal values. */
function form(input: unknown): string {
  try {
    return JSON.stringify([input], function (this: Record<string, unknown>, name, value) {
      // biome-ignore lint/suspicious/noExplicitAny: whatever a caller gave
      const raw = this[name] as any;
      if (raw === null || Array.isArray(raw) || /string|number|boolean/.test(typeof raw)) return value;
      const kind = Object.prototype.toString.call(raw);
      if (raw?.[Symbol.iterator]) {
        const parts = [...raw];
        return [kind, /Set|Map/.test(kind) ? parts.map(form).sort() : parts];
      }
      // A date has a text of its own, a file a size.
      if (raw !== value || typeof raw !== 'object') return [kind, String(value)];
      const members = Object.keys(raw).filter((each) => raw[each] !== undefined);
      return [kind, raw.size, members.sort().map((each) => [each, raw[each]])];
    });
  } catch {
    return ''; // A circle: no server takes it.
  }
}
