/** One way of doing the same work. `call` does one unit; i is unique within the variant. */
export interface Variant {
  readonly name: string;
  readonly call: (i: number) => Promise<unknown>;
}

export interface Sample {
  readonly name: string;
  readonly callers: number;
  /** Units a second, median over the rounds. */
  readonly rps: number;
  /** Median over the rounds of this variant's rate by the reference's in the same round. */
  readonly ratio: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** This process's CPU time per unit, median, in microseconds. */
  readonly cpuUs: number;
}

/**
 * Runs variants interleaved, round by round, in an order that rotates: what else the machine does hits all of them.
 * Ratios within a round are what to trust; absolute rates are this machine's, this minute.
 */
export async function measure(
  variants: readonly Variant[],
  options: {
    readonly callers: number;
    readonly rounds: number;
    readonly roundMs: number;
    readonly onRound?: (round: number) => void;
  },
): Promise<Sample[]> {
  const rounds = new Map<string, { rate: number; cpuUs: number; times: number[] }[]>();
  for (let round = -1; round < options.rounds; round++) {
    for (let k = 0; k < variants.length; k++) {
      const variant = variants[(k + round + variants.length) % variants.length] as Variant;
      const result = await runRound(variant, options.callers, options.roundMs);
      // The first round only warms up.
      if (round >= 0) rounds.set(variant.name, [...(rounds.get(variant.name) ?? []), result]);
    }
    options.onRound?.(round + 1);
  }
  const reference = rounds.get(variants[0]?.name ?? '') ?? [];
  return variants.map(({ name }) => {
    const own = rounds.get(name) ?? [];
    const times = own.flatMap((r) => r.times).sort((a, b) => a - b);
    return {
      name,
      callers: options.callers,
      rps: median(own.map((r) => r.rate)),
      ratio: median(own.map((r, i) => r.rate / (reference[i]?.rate ?? Number.NaN))),
      p50Ms: times[Math.floor(times.length * 0.5)] ?? Number.NaN,
      p99Ms: times[Math.floor(times.length * 0.99)] ?? Number.NaN,
      cpuUs: median(own.map((r) => r.cpuUs)),
    };
  });
}

/** Units done so far by variant: their keys must not repeat from one measurement to the next. */
const counters = new Map<string, number>();

async function runRound({ name, call }: Variant, callers: number, roundMs: number) {
  const times: number[] = [];
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  const until = startedAt + roundMs;
  let next = counters.get(name) ?? 0;
  const caller = async (): Promise<void> => {
    while (performance.now() < until) {
      const sentAt = performance.now();
      await call(next++);
      times.push(performance.now() - sentAt);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  const elapsed = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpu);
  counters.set(name, next);
  return { rate: (times.length / elapsed) * 1000, cpuUs: (user + system) / times.length, times };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1
    ? (sorted[Math.floor(middle)] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
