/** Longer names of clients are cut. */
const MAX_LENGTH = 64;

/**
 * What a caller's software calls itself, fit for a log: its first word, in letters, digits and `. _ / + -`, up to 64
 * characters. Anybody may claim anything there: it names whom to ask, and decides nothing.
 *
 * @param said a `User-Agent` or a name and version of the application's own; `''` for nothing that can be used
 */
export function clientVersionFrom(said: string | null | undefined): string {
  const [word] = /^[\w.+/-]{1,256}/.exec(said?.trimStart() ?? '') ?? [''];
  return word.slice(0, MAX_LENGTH);
}

/** What the callers' names become beyond the first few. */
const OTHER = '(other)';
const NONE = '(none)';

/**
 * Values that callers choose, as the labels of a metric: the first `limit` of a process's life keep their names, all
 * others share one, so that no caller can make series without end.
 */
export function createBoundedLabel(limit: number): (value: string | undefined) => string {
  const known = new Set<string>();
  return (value) => {
    if (value === undefined || value === '') return NONE;
    if (known.has(value)) return value;
    if (known.size >= limit) return OTHER;
    known.add(value);
    return value;
  };
}
