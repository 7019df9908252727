/**
 * Works off a list, each item in its lane: `index % lanes`. Where one fails the other lanes begin nothing more, and all have
 * ended before it rejects: whatever comes next is alone.
 */
export async function inLanes<T>(
  lanes: number,
  items: readonly T[],
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let failed = false;
  const run = async (first: number) => {
    for (let index = first; index < items.length && !failed; index += lanes) {
      await work(items[index] as T, index).catch((error: unknown) => {
        failed = true;
        throw error;
      });
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: lanes }, (_, lane) => run(lane)));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}
