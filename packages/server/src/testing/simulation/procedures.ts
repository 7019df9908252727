import { type IdempotencyPolicy, policyFrom } from '../../admission/policy.ts';
import type { Policy } from '../../engine/policy.ts';
import type { World } from './world.ts';

export type Shape =
  /** Its whole effect is one write. */
  | 'write'
  /** A write, and a nested call that may fail without taking the rest with it. */
  | 'nested'
  /** A charge outside, then an effect and the outcome in one commit. */
  | 'charge'
  /** Two charges at once. */
  | 'two charges'
  /** A charge, a transaction that is a recovery point, then the outcome. */
  | 'charge and note';

/** One procedure of a run: what it does and what it promises. */
export interface Procedure {
  readonly name: string;
  readonly shape: Shape;
  /** Whether the provider is given child keys. */
  readonly keyed: boolean;
  /** How the handler ends: by `settle`, or by returning. */
  readonly settles: boolean;
  /** One for each deployment that may be running: recovery must obey the record, not these. */
  readonly policies: readonly Policy[];
  readonly retentionMs: number;
}

/** One that is queued: accepted by requests, run by workers, and now and then by a deployment that thinks otherwise. */
export function drawQueued(world: World, index: number): Procedure {
  const { random } = world;
  const keyed = random.chance(0.65);
  const downstreamWindowMs = random.pick([300, 3_000, 3_600_000]);
  const common = {
    ttlMs: random.pick([1_000, 30_000]),
    leaseMs: random.pick([100, 250]),
    maxRunMs: random.chance(0.2) ? random.pick([80, 200]) : 2_000,
    maxAttempts: random.pick([1, 2, 4, 20]),
    downstreamWindowMs,
  };
  const inFlight = () => random.pick(['conflict', { waitMs: 30 }, { waitMs: 400 }] as const);
  const resumes = { effects: 'steps', onCrash: 'resume' } as const;
  const waits = { effects: 'steps', onCrash: 'suspend' } as const;
  const draw = (mode: 'queued' | 'leased'): Policy => {
    const after = keyed ? random.pick([resumes, resumes, resumes, waits]) : {};
    const backoff = mode === 'queued' ? { backoff: { minMs: 1, maxMs: random.pick([10, 200]) } } : {};
    // With child keys, and within the window, running again is safe whatever happened.
    const resolve = keyed && random.chance(0.2) ? { resolve: () => 'run_again' as const } : {};
    return policyFrom({ ...common, ...after, ...backoff, ...resolve, mode, inFlight: inFlight() });
  };
  const other = (): Policy => draw(random.chance(0.3) ? 'leased' : 'queued');
  return {
    name: `q${index}`,
    shape: random.pick(['charge', 'charge', 'two charges', 'charge and note'] as const),
    keyed,
    settles: random.chance(0.6),
    policies: random.chance(0.3) ? [draw('queued'), other()] : [draw('queued')],
    retentionMs: downstreamWindowMs + RETENTION_MARGIN_MS,
  };
}

/** Longer than a message takes and than frozen clocks stay behind; no connection outlives a leap. */
const RETENTION_MARGIN_MS = 10_000;

export function drawProcedure(world: World, index: number): Procedure {
  const { random } = world;
  const name = `p${index}`;
  const atomic = random.chance(0.3);
  const keyed = !atomic && random.chance(0.65);
  const downstreamWindowMs = random.pick([300, 3_000, 3_600_000]);
  const common = {
    mode: atomic ? 'atomic' : 'leased',
    ttlMs: random.pick([1_000, 30_000]),
    mismatch: random.chance(0.2) ? 'replay' : 'reject',
    leaseMs: random.pick([100, 250]),
    maxRunMs: random.chance(0.2) ? random.pick([80, 200]) : 2_000,
    maxAttempts: random.pick([2, 20]),
    downstreamWindowMs,
  } as const satisfies IdempotencyPolicy;
  const inFlight = () => random.pick(['conflict', { waitMs: 30 }, { waitMs: 400 }] as const);
  const resumes = { effects: 'steps', onCrash: 'resume' } as const;
  const waits = { effects: 'steps', onCrash: 'suspend' } as const;
  const draw = (): Policy => {
    const after = atomic || !keyed ? {} : random.pick([resumes, resumes, resumes, waits, {}]);
    return policyFrom({ ...common, ...after, inFlight: inFlight() });
  };
  /** A deployment in which the procedure has changed its mode. */
  const other = (): Policy =>
    policyFrom({ ...common, mode: atomic ? 'leased' : 'atomic', inFlight: inFlight() });
  const first = draw();
  return {
    name,
    shape: atomic
      ? random.pick(['write', 'nested'] as const)
      : random.pick(['charge', 'charge', 'two charges', 'charge and note'] as const),
    keyed,
    settles: random.chance(0.6),
    policies: random.chance(0.25) ? [first, random.chance(0.25) ? other() : draw()] : [first],
    retentionMs: downstreamWindowMs + RETENTION_MARGIN_MS,
  };
}
