import { createRig } from './in-process.ts';
import { measure, type Sample, type Variant } from './measure.ts';
import type { Plan } from './plan.ts';

export type EngineRow = Sample & { readonly scenario: string };

/** The engine beside what one would write by hand, and by itself on the memory store. All in this process. */
export async function engine(
  databaseUrl: string,
  plan: Pick<Plan, 'rounds' | 'roundMs'>,
  tell: (line: string) => void,
): Promise<EngineRow[]> {
  const rig = await createRig(databaseUrl);
  const rows: EngineRow[] = [];
  try {
    for (const [scenario, variants] of [
      ['first', rig.first],
      ['replay', rig.replay],
      ['engine', rig.engine],
      ['trpc', rig.trpc],
    ] as const satisfies readonly (readonly [string, readonly Variant[]])[]) {
      // In memory everything is kept: short rounds, one caller.
      const inMemory = scenario === 'engine' || scenario === 'trpc';
      for (const callers of inMemory ? [1] : [1, 16]) {
        const samples = await measure(variants, {
          callers,
          rounds: plan.rounds,
          roundMs: inMemory ? Math.min(200, plan.roundMs.most) : plan.roundMs.most,
          onRound: (round) => tell(`engine, ${scenario}, ${callers} callers: round ${round}`),
        });
        for (const sample of samples) rows.push({ scenario, ...sample });
      }
    }
  } finally {
    await rig.close();
  }
  return rows;
}
