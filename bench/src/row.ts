import type { Cost } from './harness/meter.ts';

/** One line of the result. `null`: has no meaning here, or could not be counted. */
export interface Row {
  readonly scenario: Scenario;
  readonly variant: string;
  readonly callers: number;
  /** Answers a second. */
  readonly rps: number | null;
  /** To the bare handler on the same road, in the same run: of rates, but of times in a burst. */
  readonly ratio: number | null;
  /** Of one call; of a burst until its last answer (duplicates), or its middle one (burst); from the restart to the first success (crash). */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  /** CPU time of the server process per call. */
  readonly cpuUs: number | null;
  /** These three per call. */
  readonly commits: number | null;
  readonly statements: number | null;
  readonly redisCommands: number | null;
  /** Effects that happened, by keys that were sent: 1 is right. */
  readonly executionsPerKey: number | null;
  /** How many answers had which HTTP status, where that is the point. */
  readonly answers?: Readonly<Record<string, number>>;
}

export const SCENARIOS = [
  'first',
  'replay',
  'first in process',
  'replay in process',
  'duplicates',
  'burst',
  'crash',
  'lease-expiry',
  'paused',
] as const;
export type Scenario = (typeof SCENARIOS)[number];

/** Where nothing is counted at the services. */
export const UNCOUNTED = { commits: null, statements: null, redisCommands: null } as const;

export const perCall = (cost: Cost, calls: number) => {
  const each = (total: number | null) => (total === null ? null : rounded(total / calls));
  return {
    commits: each(cost.commits),
    statements: each(cost.statements),
    redisCommands: each(cost.redisCommands),
  };
};

/** Three digits after the point: more would be noise. */
export const rounded = (value: number): number | null =>
  Number.isFinite(value) ? Math.round(value * 1000) / 1000 : null;
