import { type EngineRow, engine } from './engine.ts';
import { type Entrant, openStage, type Versions } from './harness/stage.ts';
import { type Plan, share } from './plan.ts';
import type { Row } from './row.ts';
import { bursts } from './scenarios/burst.ts';
import { duplicates } from './scenarios/duplicates.ts';
import { type FaultsPlan, faults } from './scenarios/faults.ts';
import { freshKeys, type Live } from './scenarios/live.ts';
import { overHttp } from './scenarios/over-http.ts';
import { throughput } from './scenarios/throughput.ts';
import { VARIANTS, type Variant } from './variants.ts';

export interface Output {
  readonly tell: (line: string) => void;
  /** Told of rows as soon as they are known. */
  readonly add: (rows: readonly Row[]) => void;
  readonly addEngine: (rows: readonly EngineRow[]) => void;
}

/** Every scenario with every variant that can run here. @returns the versions of the services */
export async function run(
  plan: Plan,
  { tell, add, addEngine }: Output,
  variants: readonly Variant[] = VARIANTS,
): Promise<Versions> {
  const startedAt = performance.now();
  const leftUntil = (ms: number) => startedAt + ms - performance.now();
  const stage = await openStage(variants, tell);
  try {
    const lives = await Promise.all(stage.entrants.map(start));
    tell(`${lives.length} variants run`);
    const driven = lives.filter(({ entrant }) => !entrant.variant.onlyFaults);
    const warmUpMs = share(plan.warmUpMs, leftUntil(plan.warmUntilMs), driven.length);
    for (const live of driven) await warmUp(live, warmUpMs);

    const rates = (kind: 'first' | 'replay', where: 'http' | 'in process', among: readonly Live[]) => {
      const slots = plan.callers.length * (plan.rounds + 1) * among.length * (kind === 'first' ? 2 : 1);
      const left = leftUntil(where === 'http' ? plan.httpUntilMs : plan.endMs);
      const roundMs = share(plan.roundMs, left, slots);
      return throughput(kind, where, among, stage.meter, { ...plan, roundMs, tell }).then(add);
    };
    await rates('first', 'http', driven);
    await rates('replay', 'http', driven.filter(isCompared));
    add(await duplicates(lives.filter(isCompared), stage.meter, { ...plan.duplicates, tell }));
    if (plan.bursts !== undefined) {
      add(await bursts(lives.filter(isBurst), { ...plan.bursts, tell }));
    }
    await allFaults(stage.entrants, plan, { until: startedAt + plan.faultsUntilMs, tell, add });
    // Called in process, the road makes no difference: each peer once.
    const callable = driven.filter(
      (live) => isCompared(live) && live.server.canCall && live.entrant.variant.road === 'trpc',
    );
    await rates('first', 'in process', callable);
    await rates('replay', 'in process', callable);
    await Promise.all(lives.map(({ server }) => server.close()));
    if (plan.engine) addEngine(await engine(stage.postgres, plan, tell));
    tell('done');
    return stage.versions;
  } finally {
    await stage.close();
  }
}

const start = async (entrant: Entrant): Promise<Live> => ({ entrant, server: await entrant.start() });

/** Protects something, or is what the others are compared with. Doing nothing is measured once. */
const isCompared = ({ entrant: { variant } }: { readonly entrant: { readonly variant: Variant } }): boolean =>
  !variant.unprotected || variant.name === variant.against;

/** Ours on tRPC, and what they stand beside. */
const isBurst = ({ entrant: { variant } }: Live): boolean =>
  variant.road === 'trpc' && (variant.ours === true || variant.name === variant.against);

async function warmUp({ entrant, server }: Live, ms: number): Promise<void> {
  await overHttp(entrant, server, freshKeys()).round(16, ms);
  await entrant.analyze();
}

async function allFaults(
  entrants: readonly Entrant[],
  plan: Plan,
  given: Pick<FaultsPlan, 'until' | 'tell' | 'add'>,
): Promise<void> {
  const waiting = entrants.filter(({ variant }) => !variant.unprotected);
  const worker = async (): Promise<void> => {
    for (let entrant = waiting.shift(); entrant; entrant = waiting.shift()) {
      await faults(entrant, { ...given, keys: plan.faultKeys });
    }
  };
  await Promise.all(Array.from({ length: plan.faultsAtOnce }, worker));
}
