export interface Repeated {
  /** No more; resolves when what runs has ended. */
  close(): Promise<void>;
}

/** Does something again and again, each time a while after it ended, spread out so that servers started together don't meet. */
export function repeat(
  everyMs: number,
  work: () => Promise<void>,
  onError: (error: unknown) => void,
): Repeated {
  let running: Promise<void> = Promise.resolve();
  let closed = false;
  let timer: NodeJS.Timeout;
  const plan = (): void => {
    timer = setTimeout(tick, everyMs * (0.75 + Math.random() / 2));
    timer.unref();
  };
  const tick = (): void => {
    running = work()
      .catch(onError)
      .then(() => {
        if (!closed) plan();
      });
  };
  plan();
  return {
    close() {
      closed = true;
      clearTimeout(timer);
      return running;
    },
  };
}
