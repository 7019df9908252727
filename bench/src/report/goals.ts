import type { Row } from '../row.ts';
import { VARIANTS, type Variant } from '../variants.ts';

export interface Goal {
  readonly claim: string;
  readonly measured: string;
  readonly holds: boolean;
}

/** Not in the registry, so not in the run: what their Postgres stores reached of bare when built from source, in process at 16 callers. */
const ELSEWHERE = { 'nestarc (Postgres)': 0.17, 'idempot-js (Postgres)': 0.14 };
const CALLERS = 16;

/** What must hold of ours, judged by this run's rows. Goals whose rows are missing are left out. */
export function goals(rows: readonly Row[], durable: ReadonlySet<string>): Goal[] {
  const find = (scenario: Row['scenario'], variant: string) =>
    rows.find((row) => row.scenario === scenario && row.variant === variant && isAsked(row))?.ratio;
  const found: Goal[] = [];
  const atLeast = (claim: string, value: number | null | undefined, least: number | null | undefined) => {
    if (typeof value !== 'number' || typeof least !== 'number') return;
    found.push({ claim, measured: `${value.toFixed(2)}, least ${least.toFixed(2)}`, holds: value >= least });
  };

  const first = find('first', 'semel-atomic');
  const outside = find('first', 'semel-leased-outside');
  atLeast('over HTTP, a first execution (atomic) ≥ 0.6 × bare', first, 0.6);
  atLeast('over HTTP, a first execution (leased, effect outside) ≥ 0.6 × bare', outside, 0.6);
  const named = (is: (variant: Variant) => boolean) => new Set(VARIANTS.filter(is).map(({ name }) => name));
  const ours = named((variant) => variant.ours === true);
  const unrivalled = named((variant) => variant.ours === true || variant.limit === true);
  for (const peer of durable) {
    if (unrivalled.has(peer)) continue;
    atLeast(`over HTTP, a first execution (atomic) ≥ that of ${peer}`, first, find('first', peer));
  }
  atLeast('over HTTP, a replay from Postgres ≥ 1.15 × bare', find('replay', 'semel-replay-postgres'), 1.15);

  const burst = rows.find(
    ({ scenario, variant }) => scenario === 'burst' && variant === 'semel-atomic',
  )?.ratio;
  if (typeof burst === 'number') {
    const claim =
      'over HTTP and two servers, the median of 20 duplicates’ answers (atomic) ≤ 3 × one bare call';
    found.push({ claim, measured: `${burst.toFixed(2)}, most 3.00`, holds: burst <= 3 });
  }

  const dbos = find('first in process', 'dbos');
  for (const [how, variant] of [
    ['atomic', 'semel-atomic'],
    ['leased, effect outside', 'semel-leased-outside'],
  ] as const) {
    const inProcess = find('first in process', variant);
    for (const [name, reached] of Object.entries(ELSEWHERE)) {
      atLeast(
        `in process, a first execution (${how}) ≥ 2 × ${name}, by ratios to bare`,
        inProcess,
        2 * reached,
      );
    }
    atLeast(`in process, a first execution (${how}) ≥ 5 × dbos`, inProcess, dbos && 5 * dbos);
  }

  for (const row of rows) {
    const isFault = ['duplicates', 'burst', 'crash', 'lease-expiry', 'paused'].includes(row.scenario);
    if (!isFault || !ours.has(row.variant)) continue;
    found.push({
      claim: `${row.variant}, ${row.scenario}: one execution per key`,
      measured: String(row.executionsPerKey),
      holds: row.executionsPerKey === 1,
    });
  }
  return found;
}

const isAsked = ({ callers }: Row): boolean => callers === CALLERS;
