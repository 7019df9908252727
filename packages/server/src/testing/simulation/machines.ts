import { admitRequest } from '../../admission/admit-request.ts';
import type { FailureCodec } from '../../engine/failure.ts';
import { engineErrorIn } from '../../engine/failure.ts';
import { createOutcomeCodec } from '../../engine/outcome.ts';
import type { RunResult } from '../../engine/request.ts';
import { createSemel, type Semel } from '../../semel.ts';
import type { Layer } from '../../store/layer.ts';
import { createProcessLayer } from '../../store/layer-process.ts';
import type { MemoryTransaction } from '../../store/memory.ts';
import type { FakeRedis } from './fake-redis.ts';
import { Hiccup, handlerOf, type Intent, type Stage } from './handlers.ts';
import type { Judge } from './judge.ts';
import { ProviderSilent } from './provider.ts';
import { type StoreWire, storeAcross } from './store-wire.ts';
import type { Owner } from './world.ts';

/** One server process: an engine of its own, clocks of its own, and a line to the store. */
export interface Machine {
  readonly owner: Owner;
  readonly semel: Semel<MemoryTransaction>;
  /** Which deployment it runs. */
  readonly deployment: number;
}

export interface MachineRoom {
  readonly wire: StoreWire;
  readonly stage: Stage;
  readonly judge: Judge;
  /** In front of the store, where this run has it. */
  readonly redis: FakeRedis | undefined;
  /** All tenants under one scope: a mistake. */
  readonly oneScope?: boolean;
}

export type Reply = RunResult | { readonly kind: 'threw'; readonly error: unknown };

export function startMachine({ wire, redis }: MachineRoom, name: string, deployment: number): Machine {
  const { world } = wire;
  const { random } = world;
  const owner: Owner = {
    name,
    alive: true,
    pausedUntil: 0,
    monotonicOffset: random.between(0, 100_000),
    wallOffset: random.between(-5_000, 5_000),
  };
  const orphansEveryMs = random.pick([150, 400, 1_000]);
  const layers: Layer[] = redis !== undefined && random.chance(0.7) ? [redis.layerOf(owner)] : [];
  const semel = world.as(owner, () =>
    createSemel({
      store: storeAcross(wire, owner),
      layers: redis !== undefined && random.chance(0.5) ? [createProcessLayer(), ...layers] : layers,
      maxRunning: random.pick([1, 2, 1000, 1000, 1000]),
      maxWaiters: random.pick([1, 1000, 1000]),
      recovery: random.chance(0.6) ? { orphansEveryMs, retentionEveryMs: 700 } : false,
    }),
  );
  return { owner, semel, deployment };
}

const outcomes = createOutcomeCodec();
const failures: FailureCodec = {
  statusOf: () => undefined,
  describe: (error) => {
    const { code } = error as { code: string };
    return { httpStatus: 422, code, message: code };
  },
};

/** One keyed call as a server process carries it out. Its caller isn't known to it: nobody can hang up on it. */
export async function serve(
  { wire, stage, judge, oneScope }: MachineRoom,
  { owner, semel, deployment }: Machine,
  intent: Intent,
  ageMs: number | undefined,
): Promise<Reply> {
  const { world } = wire;
  const { policies, name } = intent.procedure;
  const policy = policies[deployment % policies.length] ?? (policies[0] as (typeof policies)[number]);
  const admitted = admitRequest({
    policy,
    procedure: name,
    principal: oneScope ? 'everybody' : intent.tenant,
    key: ageMs === undefined ? { key: intent.key } : { key: intent.key, ageMs },
    input: intent.payload,
    minKeyLength: 1,
  });
  const handler = handlerOf(stage, owner, semel.engine, intent);
  const request = { ...admitted, procedure: name, policy, failures, outcomes, trace: { actor: 'request' } };
  try {
    const result = await semel.engine.run(request, (operation) => {
      if (operation.mode === 'leased') judge.runs(operation.id, operation.attempt);
      return handler(operation);
    });
    world.log(
      () =>
        `${owner.name} answers ${result.kind === 'refused' ? result.problem.code : `${result.kind}${result.replayed ? ' (replay)' : ''}`} to ${intent.tenant}/${intent.key} ${intent.payload}`,
    );
    await judge.answered(intent, result, ageMs);
    return result;
  } catch (error) {
    world.log(() => `${owner.name} throws ${String(error)}`);
    if (!isExpected(error))
      world.violate(`an error that nobody expected: ${error instanceof Error ? error.stack : String(error)}`);
    return { kind: 'threw', error };
  }
}

/** What an application would see as a passing failure of one call. */
function isExpected(error: unknown): boolean {
  return (
    error instanceof Hiccup ||
    error instanceof ProviderSilent ||
    engineErrorIn(error) !== undefined ||
    (error instanceof Error && /^The transaction was ended|^A step was still running/.test(error.message))
  );
}
