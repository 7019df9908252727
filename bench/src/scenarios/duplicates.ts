import { openConnection } from '../harness/connection.ts';
import { median, quantile } from '../harness/interleave.ts';
import type { Meter } from '../harness/meter.ts';
import { inputOf, requestText } from '../harness/request.ts';
import { perCall, type Row, rounded } from '../row.ts';
import { freshKeys, type Live } from './live.ts';

export const DUPLICATES = 20;

export interface DuplicatesPlan {
  readonly keys: number;
  /** Bursts end after this, but not before the third. */
  readonly maxMs: number;
  readonly tell: (line: string) => void;
}

/** The same request twenty times at the same moment, each on a connection of its own; then the next key. */
export async function duplicates(lives: readonly Live[], meter: Meter, plan: DuplicatesPlan): Promise<Row[]> {
  const rows = new Map<string, Row>();
  for (const live of lives) {
    plan.tell(`duplicates: ${live.entrant.variant.name}`);
    rows.set(live.entrant.variant.name, await burst(live, meter, plan));
  }
  // A ratio of rates, as everywhere: of bursts, as what a burst's answers are differs.
  return [...rows.values()].map((row) => {
    const { against } = lives.find(({ entrant }) => entrant.variant.name === row.variant)?.entrant
      .variant ?? { against: '' };
    const reference = rows.get(against)?.rps;
    return { ...row, ratio: reference && row.rps !== null ? rounded(row.rps / reference) : null };
  });
}

async function burst({ entrant, server }: Live, meter: Meter, plan: DuplicatesPlan): Promise<Row> {
  const keys = freshKeys();
  const connections = await Promise.all(Array.from({ length: DUPLICATES }, () => openConnection(server.url)));
  const times: number[] = [];
  const answers: Record<string, number> = {};
  const cpuBefore = await server.cpu();
  const until = performance.now() + plan.maxMs;
  const cost = await meter.around(entrant.database, async () => {
    while (keys.used < plan.keys && (keys.used < 3 || performance.now() < until)) {
      const key = keys.next();
      const request = requestText(entrant.variant.road, key, inputOf(key));
      const sentAt = performance.now();
      const replies = await Promise.all(connections.map((connection) => connection.send(request)));
      times.push(performance.now() - sentAt);
      for (const { status } of replies) answers[status] = (answers[status] ?? 0) + 1;
    }
  });
  const cpuUs = (await server.cpu()) - cpuBefore;
  for (const connection of connections) connection.close();
  const calls = keys.used * DUPLICATES;
  const sorted = times.toSorted((a, b) => a - b);
  return {
    scenario: 'duplicates',
    variant: entrant.variant.name,
    callers: DUPLICATES,
    rps: rounded((DUPLICATES * 1000) / median(times)),
    ratio: null,
    p50Ms: rounded(quantile(sorted, 0.5)),
    p99Ms: rounded(quantile(sorted, 0.99)),
    cpuUs: rounded(cpuUs / calls),
    ...perCall(cost, calls),
    executionsPerKey: rounded((await entrant.effects(keys.prefix)) / keys.used),
    answers,
  };
}
