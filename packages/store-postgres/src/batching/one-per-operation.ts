/**
 * The first call of each operation. Others that name the same one are made alone, and meet what the first one wrote:
 * within one statement it would be chance which of them is carried out.
 */
export function onePerOperation<Call>(calls: readonly Call[], idOf: (call: Call) => string): readonly Call[] {
  const seen = new Set<string>();
  return calls.filter((call) => {
    const { size } = seen;
    return seen.add(idOf(call)).size > size;
  });
}
