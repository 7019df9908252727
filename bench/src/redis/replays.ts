import { openStage } from '../harness/stage.ts';
import type { Plan } from '../plan.ts';
import type { Row } from '../row.ts';
import { freshKeys, type Live } from '../scenarios/live.ts';
import { overHttp } from '../scenarios/over-http.ts';
import { throughput } from '../scenarios/throughput.ts';
import { VARIANTS } from '../variants.ts';
import { p99OfUnhurried } from './unhurried.ts';

/** What a replay is compared with, and ours. */
const NAMES = ['bare', 'noop', 'redis-get', 'node-idempotency', 'semel-redis', 'semel-process'];

export interface Comparison {
  readonly claim: string;
  readonly measured: number;
  readonly wanted: { readonly least: number } | { readonly most: number };
}

/** A tenth of what one server here can do, or less. */
const UNHURRIED = { perSecond: 200, ms: 10_000, hot: 200 };

/** `npm run bench -- --only redis`: replays from the layers, interleaved with what they are held against. */
export async function replays(
  plan: Pick<Plan, 'rounds' | 'roundMs' | 'warmUpMs' | 'counted' | 'hot'>,
  tell: (line: string) => void,
): Promise<{ readonly rows: readonly Row[]; readonly comparisons: readonly Comparison[] }> {
  const stage = await openStage(
    VARIANTS.filter(({ name }) => NAMES.includes(name)),
    tell,
  );
  try {
    const lives: Live[] = await Promise.all(
      stage.entrants.map(async (entrant) => ({ entrant, server: await entrant.start() })),
    );
    for (const { entrant, server } of lives) {
      await overHttp(entrant, server, freshKeys()).round(16, plan.warmUpMs.least);
      await entrant.analyze();
    }
    const each = { ...plan, callers: [16], roundMs: plan.roundMs.most, tell };
    const inProcess = await throughput('replay', 'in process', lives, stage.meter, each);
    const http = await throughput('replay', 'http', lives, stage.meter, each);
    const comparisons = compare(inProcess, http);
    for (const live of lives) {
      const { name } = live.entrant.variant;
      if (name !== 'semel-redis' && name !== 'semel-process') continue;
      tell(`${name}, ${UNHURRIED.perSecond} replays a second`);
      comparisons.push({
        claim: `over HTTP at ${UNHURRIED.perSecond} a second, 99 of 100 replays of ${name} are answered within ms`,
        measured: await p99OfUnhurried(live, UNHURRIED),
        wanted: { most: 5 },
      });
    }
    await Promise.all(lives.map(({ server }) => server.close()));
    return { rows: [...inProcess, ...http], comparisons };
  } finally {
    await stage.close();
  }
}

function compare(inProcess: readonly Row[], http: readonly Row[]): Comparison[] {
  const of = (rows: readonly Row[], name: string) =>
    rows.find(({ variant }) => variant === name)?.rps ?? Number.NaN;
  const ratio = (rows: readonly Row[], ours: string, theirs: string) => of(rows, ours) / of(rows, theirs);
  return [
    {
      claim: 'in process, a replay from Redis, to a bare GET and a fingerprint',
      measured: ratio(inProcess, 'semel-replay-redis', 'redis-get'),
      wanted: { least: 0.7 },
    },
    {
      claim: "in process, a replay from Redis, to node-idempotency's",
      measured: ratio(inProcess, 'semel-replay-redis', 'node-idempotency'),
      wanted: { least: 1.5 },
    },
    {
      claim: 'in process, a replay from the process, to the bare handler',
      measured: ratio(inProcess, 'semel-replay-process', 'bare'),
      wanted: { least: 8 },
    },
    {
      claim: 'over HTTP, a replay from the process, to a tRPC procedure that does nothing',
      measured: ratio(http, 'semel-replay-process', 'noop'),
      wanted: { least: 0.85 },
    },
    {
      claim: 'over HTTP, a replay from Redis, to a tRPC procedure that does nothing',
      measured: ratio(http, 'semel-replay-redis', 'noop'),
      wanted: { least: 0.85 },
    },
  ];
}
