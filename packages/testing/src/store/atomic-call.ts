import type { AtomicEnd, AtomicResult } from '@semel/server/store';
import { completed, type Stage } from './stage.ts';

export const pays = (value = 'paid'): AtomicEnd<string> => ({
  settlement: completed(value),
  effects: 'keep',
  value: `value of ${value}`,
});
/** An atomic call whose body writes one effect, labelled with its key. */
export function callAtomically(
  { store, effects }: Stage,
  request: Parameters<Stage['store']['atomically']>[0],
  end: () => AtomicEnd<string> | Promise<AtomicEnd<string>> = () => pays(),
): Promise<AtomicResult<string>> {
  return store.atomically(request, async (tx) => {
    await effects.write(tx, request.scope + request.key);
    return end();
  });
}
