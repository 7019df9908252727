type Kind = 'step' | 'transaction';

/** How long a handler's end waits for a step that it left running. Transactions have a limit of their own. */
const STEP_GRACE_MS = 5_000;

/** What an attempt has begun and not ended: its steps and its transactions. */
export class Running {
  readonly #works = new Map<Promise<unknown>, Kind>();

  get isEmpty(): boolean {
    return this.#works.size === 0;
  }

  get hasStep(): boolean {
    return this.#kinds().includes('step');
  }

  /** @returns the work itself: whoever doesn't wait for it hears of its failure by {@link settled} alone */
  watch<T>(kind: Kind, work: Promise<T>): Promise<T> {
    this.#works.set(work, kind);
    const done = (): void => void this.#works.delete(work);
    work.then(done, done);
    return work;
  }

  /** Resolves when nothing runs any more, when the signal aborts, or when only steps are left and have had their grace. */
  async settled(signal: AbortSignal): Promise<void> {
    const aborted = aside(signal);
    const grace = new AbortController();
    const graceOver = aside(grace.signal);
    const timer = setTimeout(() => grace.abort(), STEP_GRACE_MS);
    try {
      while (!this.isEmpty && !signal.aborted) {
        const onlySteps = !this.#kinds().includes('transaction');
        if (onlySteps && grace.signal.aborted) return;
        const all = Promise.allSettled([...this.#works.keys()]);
        await Promise.race(onlySteps ? [all, aborted, graceOver] : [all, aborted]);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #kinds(): Kind[] {
    return [...this.#works.values()];
  }
}

const aside = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
