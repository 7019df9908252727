/** How much of everything a run does. Moments are milliseconds since the run began. */
export interface Plan {
  readonly callers: readonly number[];
  readonly rounds: number;
  /** Before anything is measured, over HTTP, for each variant: of what there is until `warmUntilMs`. */
  readonly warmUpMs: Span;
  readonly warmUntilMs: number;
  /** One variant's turn in one round: of what there is until `httpUntilMs`, then until `endMs`. */
  readonly roundMs: Span;
  readonly httpUntilMs: number;
  /** Calls, one after the other, by which costs are counted before anything is timed. */
  readonly counted: number;
  /** Operations that have been executed before a replay is asked for. */
  readonly hot: number;
  readonly duplicates: { readonly keys: number; readonly maxMs: number };
  /** @default none */
  readonly bursts?: { readonly keys: number; readonly warmUpMs: number };
  readonly faultKeys: number;
  /** Variants whose faults are tried at the same time. */
  readonly faultsAtOnce: number;
  /** No further fault is begun after this. */
  readonly faultsUntilMs: number;
  /** The engine beside hand-written code as well. */
  readonly engine: boolean;
  /** Whatever is measured by then is all. */
  readonly endMs: number;
}

export interface Span {
  readonly least: number;
  readonly most: number;
}

/** An equal share of the time that is left, within the bounds. */
export const share = ({ least, most }: Span, leftMs: number, among: number): number =>
  Math.min(most, Math.max(least, leftMs / among));

const NEVER = 24 * 3_600_000;

/** Warm, and nothing but rates at 16 callers: for whoever makes something faster. */
export const ratesPlan: Plan = {
  callers: [16],
  rounds: 5,
  warmUpMs: { least: 15_000, most: 15_000 },
  warmUntilMs: NEVER,
  roundMs: { least: 2_000, most: 2_000 },
  httpUntilMs: NEVER,
  counted: 50,
  hot: 100,
  duplicates: { keys: 50, maxMs: 5_000 },
  bursts: { keys: 300, warmUpMs: 5_000 },
  faultKeys: 0,
  faultsAtOnce: 1,
  faultsUntilMs: 0,
  engine: false,
  endMs: NEVER,
};

/**
 * Ends within 90 s on two cores, also when they are busy. What is exact comes before the figures that noise would spoil
 * anyway: duplicates and faults before rates in process.
 */
export const quickPlan: Plan = {
  callers: [16],
  rounds: 3,
  warmUpMs: { least: 150, most: 1_000 },
  warmUntilMs: 20_000,
  roundMs: { least: 80, most: 300 },
  httpUntilMs: 42_000,
  counted: 10,
  hot: 30,
  duplicates: { keys: 20, maxMs: 400 },
  faultKeys: 4,
  faultsAtOnce: 16,
  faultsUntilMs: 60_000,
  engine: false,
  endMs: 80_000,
};

/**
 * Warmed up for as long as it takes Node's compiler to settle, and in rounds that are long beside what it takes to come back after
 * the others' turns: with 5 s, and rounds of 0.8 s, everything with much code in it looked slower than in a server that goes on.
 */
export const fullPlan: Plan = {
  callers: [16],
  rounds: 4,
  warmUpMs: { least: 12_000, most: 12_000 },
  warmUntilMs: NEVER,
  roundMs: { least: 2_000, most: 2_000 },
  httpUntilMs: NEVER,
  counted: 100,
  hot: 200,
  duplicates: { keys: 100, maxMs: 5_000 },
  bursts: { keys: 300, warmUpMs: 5_000 },
  faultKeys: 6,
  faultsAtOnce: 4,
  faultsUntilMs: NEVER,
  engine: true,
  endMs: NEVER,
};
