/**
 * Which keys this process has seen lately: a hint that a request may be a retry, so that a look-up comes first and a
 * replay costs one SELECT. Wrong either way it costs a statement, never correctness. Bounded, oldest out.
 */
export function createRecentKeys(limit = 20_000): { has(id: string): boolean; add(id: string): void } {
  // Two generations: when the younger is full it becomes the older. No bookkeeping per key.
  let younger = new Set<string>();
  let older = new Set<string>();
  return {
    has: (id) => younger.has(id) || older.has(id),
    add(id) {
      younger.add(id);
      if (younger.size < limit / 2) return;
      older = younger;
      younger = new Set();
    },
  };
}
