/** What a handler writes its effects through in the memory store: staged, and applied at commit or not at all. */
export interface MemoryTransaction {
  /** What this transaction has set, else what is committed. */
  get(key: string): unknown;
  set(key: string, value: unknown): void;
}

export interface StagedTransaction extends MemoryTransaction {
  /** Applies everything that was set. */
  commit(): void;
  /** What is staged now; calling what it returns goes back to that. */
  mark(): () => void;
  /** Throws when the transaction was idle for longer than its limit: a database would have cut the connection. */
  touch(): void;
  timedOut(): boolean;
}

export function createStagedTransaction(
  committed: Map<string, unknown>,
  clock: () => number,
  timeoutMs: number,
): StagedTransaction {
  let staged = new Map<string, unknown>();
  let usedAt = clock();
  const timedOut = () => clock() - usedAt > timeoutMs;
  const touch = () => {
    if (timedOut()) throw new Error(`The transaction was ended: idle for more than ${timeoutMs} ms`);
    usedAt = clock();
  };
  return {
    get(key) {
      touch();
      return staged.has(key) ? staged.get(key) : committed.get(key);
    },
    set(key, value) {
      touch();
      staged.set(key, value);
    },
    commit() {
      for (const [key, value] of staged) committed.set(key, value);
    },
    mark() {
      const before = new Map(staged);
      return () => {
        staged = before;
      };
    },
    touch,
    timedOut,
  };
}
