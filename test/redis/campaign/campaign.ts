import { randomBytes } from 'node:crypto';
import { createCaller } from '../caller.ts';
import { type OwnPostgres, startPostgres } from '../postgres.ts';
import { type ServerGroup, startServers } from '../servers.ts';
import { clustered, type Fault, type Setting, standalone, withSentinel } from './faults.ts';
import { type Load, startLoad } from './load.ts';
import { createRandom, type Random } from './random.ts';

export interface CampaignOptions {
  /** Which faults in which order, which keys and duplicates follow from it; what the machine does meanwhile doesn't. */
  readonly seed: number;
  /** At least so many are begun. */
  readonly operations: number;
  /** So many of each setting. */
  readonly faults: Readonly<Record<Setting['name'], number>>;
  readonly postgresKills: number;
  readonly tell: (line: string) => void;
}

/** What was seen from the moment when a fault began until the load had gone on for a while without it. */
export interface Struck {
  readonly setting: Setting['name'];
  readonly what: string;
  readonly postgresKilled: boolean;
  readonly ms: number;
  readonly operations: number;
  /** Replays, by who answered. */
  readonly process: number;
  readonly redis: number;
  readonly store: number;
  /** How often a server began to leave Redis out. */
  readonly opened: number;
}

export interface CampaignResult {
  readonly struck: readonly Struck[];
  readonly operations: number;
  readonly calls: number;
  /** Each is empty where all is well. */
  readonly violations: {
    /** Keys with more than one effect. */
    readonly duplicates: readonly string[];
    /** Acknowledged, and not there. */
    readonly lost: readonly string[];
    /** Another answer than the first one. */
    readonly contradictions: readonly string[];
    /** No answer 60 s after the last fault. */
    readonly stuck: readonly string[];
    /** Settings in which a server still left Redis out 30 s after the last fault. */
    readonly leftOut: readonly string[];
  };
}

const CALLERS = 12;
const SERVERS = 3;
const PATIENCE_MS = 60_000;
const CLOSING_MS = 30_000;
/** For asking for every answer again: as long as it takes. */
const AGAIN_MS = 600_000;
const SETTINGS = ['standalone', 'sentinel', 'cluster'] as const;

/** Three servers under load, and one thing after the other that breaks below them. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const { tell } = options;
  const random = createRandom(options.seed);
  const total = SETTINGS.reduce((sum, name) => sum + options.faults[name], 0);
  const each = Math.ceil(options.operations / total);
  const postgres = await startPostgres();
  const caller = createCaller();
  let servers: Watched | undefined;
  let setting: Setting | undefined;
  const load = startLoad({ caller, urls: () => servers?.group.urls ?? [], callers: CALLERS, random });
  const struck: Struck[] = [];
  const leftOut: string[] = [];
  let kills = 0;
  try {
    for (const name of SETTINGS.filter((one) => options.faults[one] > 0)) {
      const prefix = `${randomBytes(6).toString('hex')}:`;
      const before = { servers, setting };
      setting = await settingOf(name, prefix, random);
      servers = await watched(postgres, setting, prefix);
      await before.servers?.group.stop();
      await before.setting?.close();
      for (const fault of random.deal(setting.faults, options.faults[name])) {
        const postgresKilled = kills < Math.floor(((struck.length + 1) * options.postgresKills) / total);
        const kill = postgresKilled ? () => postgres.killAndRestart() : undefined;
        struck.push({
          setting: name,
          postgresKilled,
          ...(await strike(fault, { servers, load, each, kill })),
        });
        if (postgresKilled) kills += 1;
        tell(
          `${struck.length} of ${total}: ${name}, ${fault.what}${postgresKilled ? ', Postgres killed' : ''}: ${load.begun} operations, ${load.calls} calls`,
        );
      }
      if (!(await servers.allAsk(CLOSING_MS))) leftOut.push(name);
    }
    tell('the last fault is over: whatever has begun is asked for until it is answered');
    const stuck = await load.finish(PATIENCE_MS);
    tell(`${load.acknowledged.size} answers are compared with the database, and asked for again`);
    const compared = await compare(postgres, load);
    const silent = await load.askAgain(AGAIN_MS);
    const { contradictions, begun: operations, calls } = load;
    return {
      struck,
      operations,
      calls,
      violations: { ...compared, contradictions, stuck: [...stuck, ...silent], leftOut },
    };
  } finally {
    await load.finish(0);
    caller.close();
    await servers?.group.stop();
    await setting?.close();
    await postgres.close();
  }
}

function settingOf(name: Setting['name'], prefix: string, random: Random): Promise<Setting> {
  if (name === 'standalone') return standalone(prefix);
  return name === 'sentinel' ? withSentinel() : clustered(random.below);
}

type Seen = Pick<Struck, 'process' | 'redis' | 'store' | 'opened'>;

interface Watched {
  readonly group: ServerGroup;
  /** Since the last time. */
  look(): Promise<Seen>;
  /** Whether each server asks Redis again, by itself, within so long. */
  allAsk(ms: number): Promise<boolean>;
}

async function watched(postgres: OwnPostgres, setting: Setting, prefix: string): Promise<Watched> {
  const group = await startServers(SERVERS, {
    databaseUrl: postgres.url,
    schema: postgres.schema,
    layers: ['process', 'redis'],
    redis: setting.connection,
    prefix,
    leaseMs: 3_000,
  });
  let open = 0;
  const look = async (): Promise<Seen> => {
    const seen = await group.reports();
    const sum = (of: (one: (typeof seen)[number]) => number) =>
      seen.reduce((total, one) => total + of(one), 0);
    const opened = sum((one) => one.opened);
    open += opened - sum((one) => one.closed);
    const from = (layer: string) => sum((one) => one.replayed[layer] ?? 0);
    return { process: from('process'), redis: from('redis'), store: from('store'), opened };
  };
  return {
    group,
    look,
    async allAsk(ms) {
      for (const until = performance.now() + ms; ; ) {
        await look();
        if (open === 0 || performance.now() > until) return open === 0;
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    },
  };
}

interface Field {
  readonly servers: Watched;
  readonly load: Load;
  readonly each: number;
  readonly kill: (() => Promise<void>) | undefined;
}

async function strike(
  fault: Fault,
  { servers, load, each, kill }: Field,
): Promise<Omit<Struck, 'setting' | 'postgresKilled'>> {
  await servers.look();
  const { begun } = load;
  const startedAt = performance.now();
  await fault.begin();
  await load.more(Math.ceil(each * 0.4));
  // While Redis is still away, or just lost what it had.
  await kill?.();
  await load.more(Math.ceil(each * 0.2));
  await fault.end?.();
  await load.more(Math.ceil(each * 0.4));
  const ms = Math.round(performance.now() - startedAt);
  return { what: fault.what, ms, operations: load.begun - begun, ...(await servers.look()) };
}

async function compare(
  postgres: OwnPostgres,
  { acknowledged }: Load,
): Promise<{ readonly duplicates: string[]; readonly lost: string[] }> {
  const rows = await postgres.sql<{ key: string; ids: string[] }>(
    'SELECT key, array_agg(id::text) AS ids FROM {s}.effect GROUP BY key',
  );
  const effects = new Map(rows.map(({ key, ids }) => [key, ids]));
  return {
    duplicates: rows.flatMap(({ key, ids }) => (ids.length > 1 ? [`${key}: ${ids.length} effects`] : [])),
    lost: [...acknowledged].flatMap(([key, id]) =>
      effects.get(key)?.includes(id)
        ? []
        : [`${key}: answered ${id}, there is ${effects.get(key)?.join(', ') ?? 'nothing'}`],
    ),
  };
}
