// Taken when the module loads: a test's fake timers, installed later, hold nobody up.
const whenTurnEnds = setImmediate;

/**
 * Waits for the end of the event loop's turn, when every socket that was readable has been read: who waits in one turn goes on
 * together. See docs/decisions/0021-answering-together.md.
 */
export function createTurnEnd(): () => Promise<void> {
  let end: Promise<void> | undefined;
  const next = () =>
    new Promise<void>((resolve) => {
      whenTurnEnds(() => {
        end = undefined;
        resolve();
      });
    });
  return () => {
    end ??= next();
    return end;
  };
}
