import { type Connection, openConnection } from '../harness/connection.ts';
import { median, quantile } from '../harness/interleave.ts';
import { inputOf, requestText } from '../harness/request.ts';
import type { Server } from '../harness/start-server.ts';
import { type Row, rounded, UNCOUNTED } from '../row.ts';
import { DUPLICATES } from './duplicates.ts';
import { freshKeys, type Live } from './live.ts';
import { type Keys, overHttp } from './over-http.ts';

/** Long enough that nothing of the last one is still under way, and no connection pool has gone to sleep. */
const PAUSE_MS = 2;

export interface BurstPlan {
  readonly keys: number;
  readonly warmUpMs: number;
  readonly tell: (line: string) => void;
}

interface Contender {
  readonly live: Live;
  /** Every other one leads to another server process. */
  readonly connections: readonly Connection[];
  readonly keys: Keys;
  /** The middle one of the twenty answers, the last one, and how long one call alone took. */
  readonly middles: number[];
  readonly lasts: number[];
  readonly alone: number[];
  readonly answers: Record<string, number>;
}

/**
 * The same request twenty times at the same moment, over two server processes of each variant, by turns; between them single
 * calls. What a burst costs is told in calls of the bare handler: 2.5 is a burst of which half is answered after two and a half
 * times what one call takes.
 */
export async function bursts(lives: readonly Live[], { keys, warmUpMs, tell }: BurstPlan): Promise<Row[]> {
  const seconds: Server[] = [];
  const contenders: Contender[] = [];
  for (const live of lives) {
    tell(`burst: ${live.entrant.variant.name} warms up`);
    const second = await live.entrant.start();
    seconds.push(second);
    await overHttp(live.entrant, second, freshKeys()).round(16, warmUpMs);
    contenders.push(await contender(live, second));
  }
  for (let n = 0; n < keys; n++) {
    if (n % 100 === 0) tell(`burst: ${n} of ${keys}`);
    for (const each of contenders) await turn(each);
  }
  const oneCall = median(contenders.find(({ live }) => isBare(live))?.alone ?? []);
  const rows = await Promise.all(contenders.map((each) => rowOf(each, oneCall)));
  for (const { connections } of contenders) for (const connection of connections) connection.close();
  await Promise.all(seconds.map((server) => server.close()));
  return rows;
}

const isBare = ({ entrant: { variant } }: Live): boolean => variant.name === variant.against;

async function contender(live: Live, second: Server): Promise<Contender> {
  const servers = [live.server, second];
  const connections = await Promise.all(
    Array.from({ length: DUPLICATES }, (_, n) => openConnection((servers[n % 2] as Server).url)),
  );
  return { live, connections, keys: freshKeys(), middles: [], lasts: [], alone: [], answers: {} };
}

/** One call alone, then a burst of another key. */
async function turn({ live, connections, keys, middles, lasts, alone, answers }: Contender): Promise<void> {
  const requestOf = (key: string) => requestText(live.entrant.variant.road, key, inputOf(key));
  const one = requestOf(keys.next());
  let from = performance.now();
  await connections[alone.length % DUPLICATES]?.send(one);
  alone.push(performance.now() - from);
  await pause();

  const request = requestOf(keys.next());
  from = performance.now();
  const times = await Promise.all(
    connections.map(async (connection) => {
      const { status } = await connection.send(request);
      answers[status] = (answers[status] ?? 0) + 1;
      return performance.now() - from;
    }),
  );
  middles.push(median(times));
  lasts.push(Math.max(...times));
  await pause();
}

async function rowOf({ live, keys, middles, lasts, answers }: Contender, oneCall: number): Promise<Row> {
  const sorted = middles.toSorted((a, b) => a - b);
  return {
    scenario: 'burst',
    variant: live.entrant.variant.name,
    callers: DUPLICATES,
    rps: rounded((DUPLICATES * 1000) / median(lasts)),
    ratio: rounded(median(middles) / oneCall),
    p50Ms: rounded(quantile(sorted, 0.5)),
    p99Ms: rounded(quantile(sorted, 0.99)),
    cpuUs: null,
    ...UNCOUNTED,
    executionsPerKey: rounded((await live.entrant.effects(keys.prefix)) / keys.used),
    answers,
  };
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
