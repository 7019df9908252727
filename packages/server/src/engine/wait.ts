/** Poll delays: two of a millisecond (timers know no less), because most answers are milliseconds away; then gentle on the store. */
const FIRST_MS = 1;
const CAP_MS = 50;

/**
 * Asks again until `look` gives an answer or the time is up. Between two looks nothing is held: no connection, no lock.
 * Time is this process's monotonic clock: it decides how long one caller waits, nothing else.
 */
export async function pollUntil<T>(
  deadline: number,
  look: () => Promise<T | undefined>,
): Promise<T | undefined> {
  for (let delay = FIRST_MS; ; delay = Math.min(delay * 2, CAP_MS)) {
    const left = deadline - performance.now();
    if (left <= 0) return undefined;
    // Half fixed, half random: duplicates that arrived together don't ask together.
    await sleep(Math.min(left, delay / 2 + Math.random() * (delay / 2)));
    const answer = await look();
    if (answer !== undefined) return answer;
  }
}

/** For work that nobody waits for: doesn't keep the process alive. */
export const sleepAside = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms).unref());

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The value, or `undefined` when the deadline comes first. */
export async function withDeadline<T>(promise: Promise<T>, deadline: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), Math.max(0, deadline - performance.now()));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
