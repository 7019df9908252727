import { type Contestant, interleave } from '../harness/interleave.ts';
import type { Cost, Meter } from '../harness/meter.ts';
import { perCall, type Row, rounded, UNCOUNTED } from '../row.ts';
import { inProcess } from './in-process.ts';
import { freshKeys, type Live } from './live.ts';
import { type Keys, oneByOne, overHttp } from './over-http.ts';

export interface ThroughputPlan {
  readonly callers: readonly number[];
  readonly rounds: number;
  readonly roundMs: number;
  /** Calls, one after the other, by which costs are counted before anything is timed. */
  readonly counted: number;
  /** Operations that have been executed before a replay is asked for. */
  readonly hot: number;
  readonly tell: (line: string) => void;
}

/** First executions or replays, over HTTP or in process: all variants in one interleaved run per number of callers. */
export async function throughput(
  kind: 'first' | 'replay',
  where: 'http' | 'in process',
  lives: readonly Live[],
  meter: Meter,
  plan: ThroughputPlan,
): Promise<Row[]> {
  const scenario = where === 'http' ? kind : (`${kind} in process` as const);
  const among = kind === 'replay' ? plan.hot : undefined;
  const tried: { live: Live; keys: Keys; cost: Cost | undefined; contestant: Contestant }[] = [];
  for (const live of lives) {
    const { entrant, server } = live;
    const keys = freshKeys(among);
    if (among !== undefined) await oneByOne(entrant, server, keys, among);
    const cost =
      where === 'http'
        ? await meter.around(entrant.database, () => oneByOne(entrant, server, keys, plan.counted))
        : undefined;
    const contestant =
      where === 'http' ? overHttp(entrant, server, keys) : inProcess(entrant, server, keys, among);
    tried.push({ live, keys, cost, contestant });
  }

  const rows: Row[] = [];
  for (const callers of plan.callers) {
    const samples = await interleave(
      tried.map(({ contestant }) => contestant),
      {
        ...plan,
        callers,
        onRound: (round) => plan.tell(`${scenario}, ${callers} callers: round ${round} of ${plan.rounds}`),
      },
    );
    for (const [i, sample] of samples.entries()) {
      const { live, keys, cost } = tried[i] as (typeof tried)[number];
      const { variant } = live.entrant;
      if (sample.failed > 0) {
        plan.tell(`${scenario}: ${variant.name} failed ${sample.failed} of ${sample.calls} calls`);
      }
      rows.push({
        scenario,
        variant: kind === 'replay' ? (variant.replayName ?? variant.name) : variant.name,
        callers,
        rps: rounded(sample.rps),
        ratio: rounded(sample.ratio),
        p50Ms: rounded(sample.p50Ms),
        p99Ms: rounded(sample.p99Ms),
        cpuUs: rounded(sample.cpuUs),
        ...(cost === undefined ? UNCOUNTED : perCall(cost, plan.counted)),
        executionsPerKey: rounded(
          (await live.entrant.effects(keys.prefix)) / Math.min(keys.used, among ?? keys.used),
        ),
      });
    }
  }
  return rows;
}
