/** What a handler writes its effects through in the memory store: staged, and applied at commit or not at all. */
export interface MemoryTransaction {
  /** What this transaction has set, else what is committed. */
  get(key: string): unknown;
  set(key: string, value: unknown): void;
  /** Called once what this transaction wrote is committed, and not if it isn't: how jobs in memory join it. */
  onCommit(done: () => void): void;
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
  let committing: readonly (() => void)[] = [];
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
    onCommit(done) {
      touch();
      committing = [...committing, done];
    },
    commit() {
      for (const [key, value] of staged) committed.set(key, value);
      for (const done of committing) done();
    },
    mark() {
      const before = new Map(staged);
      const hooks = committing;
      return () => {
        staged = before;
        committing = hooks;
      };
    },
    touch,
    timedOut,
  };
}
