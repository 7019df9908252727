/**
 * Tells inputs apart that mean different things; members are sorted, and a shared reference equals a copy. Only this client
 * compares it, with itself; the server has a real hash of its own and the last word. So 64 bits that any machine computes
 * in microseconds will do, and the browser needn't carry SHA-256. What it misses (`-0`, the content of a file) the server refuses as `key_reused`.
 */
export function fingerprintOf(input: unknown): string {
  let text = '';
  try {
    text = form(input);
  } catch {} // A circle: no server takes it.
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
// biome-ignore lint/suspicious/noExplicitAny: whatever a caller gave
function form(value: any): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value !== 'object' || !value) return typeof value + String(value);
  const isList = value[Symbol.iterator];
  // Tells a set from a list. A file has a size, a date a text of its own.
  const kind = `${value[Symbol.toStringTag]}${value.size}${!isList}`;
  if (value.toJSON && !isList) return kind + form(value.toJSON());
  const parts = isList
    ? Array.from(value, form)
    : Object.keys(value)
        .filter((name) => value[name] !== undefined)
        .map((name) => form(name) + form(value[name]));
  if (!isList || /Set|Map/.test(kind)) parts.sort();
  return `${kind}(${parts.join()})`;
}
