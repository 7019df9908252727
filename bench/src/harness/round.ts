/** What one variant did in one stretch of time. */
export interface Round {
  readonly elapsedMs: number;
  /** Of every call that succeeded, in milliseconds. */
  readonly times: Float64Array;
  /** Calls that were answered with anything but success. */
  readonly failed: number;
  /** CPU time of the process under test, in microseconds. */
  readonly cpuUs: number;
}

/** So many callers, each with its next call as soon as the last was answered, until the time is over. */
export async function closedLoop(options: {
  readonly callers: number;
  readonly ms: number;
  /** @returns whether it succeeded */
  readonly call: (caller: number) => Promise<boolean>;
  /** Microseconds of CPU that the process under test has used so far. */
  readonly cpu: () => Promise<number> | number;
}): Promise<Round> {
  const times: number[] = [];
  let failed = 0;
  const cpuBefore = await options.cpu();
  const startedAt = performance.now();
  const until = startedAt + options.ms;
  const loop = async (caller: number): Promise<void> => {
    for (let now = startedAt; now < until; ) {
      const ok = await options.call(caller);
      const answeredAt = performance.now();
      if (ok) times.push(answeredAt - now);
      else failed++;
      now = answeredAt;
    }
  };
  await Promise.all(Array.from({ length: options.callers }, (_, caller) => loop(caller)));
  const elapsedMs = performance.now() - startedAt;
  return { elapsedMs, times: Float64Array.from(times), failed, cpuUs: (await options.cpu()) - cpuBefore };
}

export function ownCpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
