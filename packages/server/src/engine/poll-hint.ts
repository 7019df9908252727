const FIRST_MS = 500;
const CAP_MS = 15_000;

/**
 * When asking again makes sense, for 202 and status answers: soon at first, because most work is short, then ever more seldom:
 * a quarter of its age.
 *
 * @param now the store's clock
 */
export function pollAfterMs({ createdAt }: { readonly createdAt: number }, now: number): number {
  return Math.min(CAP_MS, Math.max(FIRST_MS, Math.floor((now - createdAt) / 4)));
}
