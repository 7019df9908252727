import { createMemoryStore } from '../../store/memory.ts';
import { type Client, startClient } from './clients.ts';
import { createFakeQueue } from './fake-queue.ts';
import { createFakeRedis } from './fake-redis.ts';
import { createHosts, HORIZON_MS, type Hosts } from './faults.ts';
import type { Intent, Stage } from './handlers.ts';
import { createJudge } from './judge.ts';
import { createExchange, createWeather } from './link.ts';
import type { MachineRoom } from './machines.ts';
import type { Mistake } from './mistakes.ts';
import { probe } from './probe.ts';
import { drawProcedure, drawQueued } from './procedures.ts';
import { createProvider } from './provider.ts';
import type { StoreWire } from './store-wire.ts';
import { takeOverTime } from './virtual-time.ts';
import { watched } from './watched-store.ts';
import { createWorld, type World } from './world.ts';

export interface SimulateOptions {
  readonly logging?: boolean;
  readonly mistake?: Mistake;
  /** Work that is accepted, and done by workers. Seeds mean other runs than without. */
  readonly queued?: boolean;
}

export interface Report {
  readonly seed: number;
  /** What must never be, and was. */
  readonly violation: string | undefined;
  /** Everything that happened, if it was asked for. */
  readonly log: readonly string[];
  readonly events: number;
  /** Operations of which somebody got a final answer. */
  readonly told: number;
}

/** One seed, one run of the real engine: several processes, one store, and everything that can go wrong between them. */
export async function simulate(
  seed: number,
  { logging = false, mistake, queued = false }: SimulateOptions = {},
): Promise<Report> {
  const world = createWorld(seed, logging);
  const giveBack = takeOverTime(world);
  const rejected = (reason: unknown): void => world.violate(`an unhandled rejection: ${String(reason)}`);
  process.on('unhandledRejection', rejected);
  try {
    const told = await live(world, mistake, queued);
    return { seed, violation: world.violation, log: world.lines, events: world.events, told };
  } finally {
    process.off('unhandledRejection', rejected);
    giveBack();
  }
}

async function live(world: World, mistake: Mistake | undefined, queued: boolean): Promise<number> {
  const weather = createWeather(world);
  const hosts = createHosts(world);
  const send = createExchange(world, weather, hosts.onSend);
  const memory = mistake?.store?.(world.storeClock, world) ?? createMemoryStore({ clock: world.storeClock });
  const procedure = queued ? drawQueued(world, 1) : drawProcedure(world, 1);
  const provider = createProvider(world, send, procedure.retentionMs);
  const judge = createJudge(world, memory, provider);
  const wire: StoreWire = {
    world,
    weather,
    send,
    onSend: hosts.onSend,
    store: watched(memory, judge, world),
    outage: { until: 0 },
    answersBeforeCommit: mistake?.answersBeforeCommit === true,
  };
  const stage: Stage = { world, provider, mistakes: mistake ?? {}, executions: 0 };
  const redis = world.random.chance(0.35) ? createFakeRedis(world, send) : undefined;
  const queue = queued ? { fake: createFakeQueue(world, send), procedure } : undefined;
  const room: MachineRoom = { wire, stage, judge, redis, queue, oneScope: mistake?.oneScope === true };
  hosts.start(room);

  const clients = drawClients(world, procedure);
  let busy = clients.length;
  for (const client of clients) startClient(room, client, hosts.choose, () => busy--);
  world.after(HORIZON_MS + 1, undefined, () => {
    world.log(() => 'FAULTS END');
    world.faulty = false;
  });
  await world.run(() => busy === 0 && !world.faulty);
  await settleDown(world, hosts, room);
  return judge.told.size;
}

/** Nothing goes wrong any more: everything must come to an end, and nothing may be left behind. */
async function settleDown(world: World, hosts: Hosts, room: MachineRoom): Promise<void> {
  const { judge } = room;
  let ended = false;
  void probe(room, hosts.fresh()).then(() => {
    ended = true;
  });
  await world.run(() => ended);
  if (world.violation !== undefined) return;
  if (!ended) return world.violate('a probe never ended');
  await judge.audit();
  await judge.verdict();
  let closing = hosts.machines.length;
  for (const { owner, semel } of hosts.machines)
    world.after(0, owner, () => void semel.close().then(() => closing--));
  // Longer than a lease, the insistence of a write and the time that an abandoned claim is looked after.
  const until = world.now() + 20_000;
  await world.run(() => world.now() > until);
  if (closing > 0 || world.pending.length > 0) world.violate('timers are left behind');
}

function drawClients(world: World, procedure: Intent['procedure']): Client[] {
  const { random } = world;
  const keys = random.chance(0.8) ? ['k'] : ['k', 'l'];
  const tenants = random.chance(0.7) ? ['a'] : ['a', 'b'];
  const payload = random.pick(['paid', 'paid', 'paid', 'paid', 'paid', 'paid', 'declined', 'half declined']);
  return Array.from({ length: 1 + random.below(4) }, () => ({
    intent: {
      tenant: random.pick(tenants),
      procedure,
      key: random.pick(keys),
      payload: random.chance(0.08) ? `${payload} changed` : payload,
    },
    startsAt: random.chance(0.6) ? random.between(0, 30) : random.between(0, HORIZON_MS),
    tellsAge: random.chance(0.3),
    patience: 1 + random.below(10),
  }));
}
