/** Bounds how many callers of this process wait for somebody else's answer at the same time. */
export interface Waiters {
  /** Nobody more is admitted now. */
  readonly areFull: boolean;
  /** What `wait` finds; `undefined` at once when too many wait already. */
  admit<T>(wait: () => Promise<T | undefined>): Promise<T | undefined>;
}

export function createWaiters(max: number): Waiters {
  let waiting = 0;
  return {
    get areFull() {
      return waiting >= max;
    },
    async admit(wait) {
      if (waiting >= max) return undefined;
      waiting++;
      try {
        return await wait();
      } finally {
        waiting--;
      }
    },
  };
}
