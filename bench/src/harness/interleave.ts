import type { Round } from './round.ts';

export interface Contestant {
  readonly name: string;
  /** The contestant whose rate in the same round this one's is divided by. */
  readonly against: string;
  readonly round: (callers: number, ms: number) => Promise<Round>;
}

export interface Sample {
  readonly name: string;
  readonly callers: number;
  /** Calls a second, median over the rounds. */
  readonly rps: number;
  /** Median over the rounds of this rate by the reference's in the same round. */
  readonly ratio: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU time of the process under test per call, median, in microseconds. */
  readonly cpuUs: number;
  /** Calls in all, and those that were not answered with success. */
  readonly calls: number;
  readonly failed: number;
}

/**
 * Runs contestants interleaved, round by round, in an order that rotates: what else the machine does hits all of them.
 * Ratios within a round are what to trust; absolute rates are this machine's, this minute.
 */
export async function interleave(
  contestants: readonly Contestant[],
  options: {
    readonly callers: number;
    readonly rounds: number;
    readonly roundMs: number;
    /** Rounds before anything counts. @default 1 */
    readonly warmUps?: number;
    readonly onRound?: (round: number) => void;
  },
): Promise<Sample[]> {
  const { callers, roundMs, warmUps = 1 } = options;
  const rounds = new Map<string, Round[]>(contestants.map(({ name }) => [name, []]));
  for (let round = -warmUps; round < options.rounds; round++) {
    for (let k = 0; k < contestants.length; k++) {
      const { name, round: run } = contestants[(k + round + warmUps) % contestants.length] as Contestant;
      const result = await run(callers, roundMs);
      if (round >= 0) rounds.get(name)?.push(result);
    }
    options.onRound?.(round + 1);
  }
  const rate = ({ times, elapsedMs }: Round) => (times.length / elapsedMs) * 1000;
  return contestants.map(({ name, against }) => {
    const own = rounds.get(name) ?? [];
    const reference = rounds.get(against) ?? [];
    const times = own.flatMap((round) => [...round.times]).sort((a, b) => a - b);
    return {
      name,
      callers,
      rps: median(own.map(rate)),
      ratio: median(own.flatMap((round, i) => (reference[i] ? [rate(round) / rate(reference[i])] : []))),
      p50Ms: quantile(times, 0.5),
      p99Ms: quantile(times, 0.99),
      cpuUs: median(own.map((round) => round.cpuUs / round.times.length)),
      calls: own.reduce((sum, round) => sum + round.times.length + round.failed, 0),
      failed: own.reduce((sum, round) => sum + round.failed, 0),
    };
  });
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1
    ? (sorted[Math.floor(middle)] as number)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

/** @param sorted ascending */
export function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}
