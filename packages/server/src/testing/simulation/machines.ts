import { admitRequest } from '../../admission/admit-request.ts';
import type { FailureCodec } from '../../engine/failure.ts';
import { engineErrorIn } from '../../engine/failure.ts';
import { createOutcomeCodec } from '../../engine/outcome.ts';
import type { Policy } from '../../engine/policy.ts';
import type { RunResult } from '../../engine/request.ts';
import type { WorkerProcedure } from '../../engine/worker-procedures.ts';
import { createSemel, type Semel } from '../../semel.ts';
import type { Layer } from '../../store/layer.ts';
import { createProcessLayer } from '../../store/layer-process.ts';
import type { MemoryTransaction } from '../../store/memory.ts';
import type { FakeQueue } from './fake-queue.ts';
import type { FakeRedis } from './fake-redis.ts';
import { Hiccup, handlerOf, type Intent, type Stage } from './handlers.ts';
import type { Judge } from './judge.ts';
import type { Procedure } from './procedures.ts';
import { ProviderSilent } from './provider.ts';
import { type StoreWire, storeAcross } from './store-wire.ts';
import { newOwner, type Owner } from './world.ts';

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
  /** Where this run is about queued work. */
  readonly queue: { readonly fake: FakeQueue; readonly procedure: Procedure } | undefined;
  /** All tenants under one scope: a mistake. */
  readonly oneScope?: boolean;
}

export type Reply = RunResult | { readonly kind: 'threw'; readonly error: unknown };

export function startMachine(room: MachineRoom, name: string, deployment: number, works: boolean): Machine {
  const { wire, redis, queue } = room;
  const { world } = wire;
  const { random } = world;
  const owner = newOwner(name, random);
  const orphansEveryMs = random.pick([150, 400, 1_000]);
  // `false` leaves it to another process: one at least sweeps. Nothing else ends queued work whose last attempt was lost.
  const sweeps = works && queue !== undefined;
  const layers: Layer[] = redis !== undefined && random.chance(0.7) ? [redis.layerOf(owner)] : [];
  const semel = world.as(owner, () =>
    createSemel({
      store: storeAcross(wire, owner),
      ...(queue === undefined ? undefined : { jobs: queue.fake.jobsOf(owner) }),
      layers: redis !== undefined && random.chance(0.5) ? [createProcessLayer(), ...layers] : layers,
      maxRunning: random.pick([1, 2, 1000, 1000, 1000]),
      maxWaiters: random.pick([1, 1000, 1000]),
      recovery: random.chance(0.6) || sweeps ? { orphansEveryMs, retentionEveryMs: 700 } : false,
    }),
  );
  const machine = { owner, semel, deployment };
  if (queue !== undefined && (works || random.chance(0.7))) startWorker(room, machine, queue.procedure);
  return machine;
}

/** What an adapter would find in its router. Now and then this deployment doesn't have the procedure. */
function startWorker(room: MachineRoom, { owner, semel, deployment }: Machine, procedure: Procedure): void {
  const { wire, stage, judge } = room;
  const { world } = wire;
  const { random } = world;
  const { name } = procedure;
  const found: WorkerProcedure<MemoryTransaction> = {
    name,
    policy: policyOf(procedure, deployment),
    outcomes,
    begin: ({ principal, input, record }) => ({
      failures,
      parseOutput: undefined,
      handle(operation) {
        judge.runs(operation.id, operation.attempt);
        const intent = { tenant: principal, procedure, key: record.key, payload: input as string };
        return handlerOf(stage, owner, semel.engine, intent)(operation);
      },
    }),
  };
  const procedures = new Map([[name, found]]);
  if (world.faulty && random.chance(0.05)) {
    procedures.clear();
    world.after(random.between(100, 900), undefined, () => void procedures.set(name, found));
  }
  world.as(owner, () =>
    semel.startWorker(procedures, {
      concurrency: random.pick([1, 2, 8]),
      healEveryMs: random.pick([60, 200]),
      graceMs: random.pick([0, 100, 300]),
      resolveEveryMs: random.pick([50, 300]),
      offerEveryMs: 300,
    }),
  );
}

const policyOf = ({ policies }: Procedure, deployment: number): Policy =>
  policies[deployment % policies.length] ?? (policies[0] as Policy);

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
  const { name } = intent.procedure;
  const policy = policyOf(intent.procedure, deployment);
  const admitted = admitRequest({
    policy,
    procedure: name,
    principal: oneScope ? 'everybody' : intent.tenant,
    key: ageMs === undefined ? { key: intent.key } : { key: intent.key, ageMs },
    input: intent.payload,
    minKeyLength: 1,
  });
  const handler = handlerOf(stage, owner, semel.engine, intent);
  const request = {
    ...admitted,
    procedure: name,
    policy,
    failures,
    outcomes,
    trace: { actor: 'request' },
    queued: { principal: intent.tenant, input: intent.payload },
  };
  try {
    const result = await semel.engine.run(request, (operation) => {
      if (operation.mode === 'leased') judge.runs(operation.id, operation.attempt);
      return handler(operation);
    });
    world.log(
      () =>
        `${owner.name} answers ${result.kind === 'refused' ? result.problem.code : `${result.kind}${'replayed' in result && result.replayed ? ' (replay)' : ''}`} to ${intent.tenant}/${intent.key} ${intent.payload}`,
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
