import { createSemel } from '@semel/server';
import { type Arrived, type Counter, overHttp, overTrpc, type Replied } from './counter.ts';
import {
  type FakeQueue,
  newOwner,
  type Owner,
  type Provider,
  type StoreWire,
  storeAcross,
} from './engine.ts';
import { type Books, handlersOf } from './handlers.ts';
import type { Profile } from './profile.ts';

export type { Order, Receipt } from './handlers.ts';

/** The real engine behind a real adapter, in several processes over one store. */
export interface Shop {
  /** A request's bytes arrive after `ms`, at a process of the balancer's choice. Status 0: that process has died of it. */
  receive(ms: number, arrived: Arrived, reply: (replied: Replied) => void): void;
  crash(): void;
  pause(ms: number): void;
  moveClock(ms: number): void;
  /** A request is in somebody's hands. */
  isBusy(): boolean;
  /** How many more payments for a cart are declined. */
  readonly declines: Map<string, number>;
}

interface Machine {
  readonly owner: Owner;
  readonly handle: Counter;
}

interface ShopOptions {
  readonly wire: StoreWire;
  readonly provider: Provider;
  readonly profile: Profile;
  /** Where this run has workers. */
  readonly queue: FakeQueue | undefined;
}

export const SHOP_URL = 'http://shop';

export function createShop(options: ShopOptions): Shop {
  const { world } = options.wire;
  const { random } = world;
  const machines: Machine[] = [];
  const books: Books = { provider: options.provider, declines: new Map(), executions: 0 };
  let booted = 0;
  let inHand = 0;

  const boot = (): Machine => startMachine(options, books, `m${++booted}`);
  for (let i = 1 + random.below(2); i > 0; i--) machines.push(boot());

  return {
    declines: books.declines,
    receive(ms, arrived, reply) {
      const { leaps } = world;
      world.after(ms, undefined, () => {
        // A connection doesn't outlive a leap: nothing is on its way for hours.
        if (world.leaps !== leaps) return reply({ status: 0, headers: new Headers(), body: '' });
        const machine = random.pick(machines);
        // Ids of operations, which a question asks about, aren't of the seed.
        world.log(() => `${machine.owner.name} receives ${new URL(arrived.url).pathname}`);
        let done = false;
        inHand++;
        const answer = (replied: Replied): void => {
          if (!done) inHand--;
          done = true;
          reply(replied);
        };
        world.after(0, machine.owner, () => void machine.handle(arrived).then(answer));
        // A connection that its process took with it.
        const watch = (): void => {
          if (done) return;
          if (!machine.owner.alive) answer({ status: 0, headers: new Headers(), body: '' });
          else world.after(100, undefined, watch);
        };
        if (world.faulty) world.after(100, undefined, watch);
      });
    },
    crash() {
      const at = random.below(machines.length);
      const { owner } = machines[at] as Machine;
      world.log(() => `${owner.name} CRASHES`);
      owner.alive = false;
      machines[at] = boot();
    },
    pause(ms) {
      const { owner } = random.pick(machines);
      world.log(() => `${owner.name} PAUSES for ${ms.toFixed(0)} ms`);
      owner.pausedUntil = world.now() + ms;
    },
    isBusy: () => inHand > 0,
    moveClock(ms) {
      random.pick(machines).owner.wallOffset += ms;
    },
  };
}

function startMachine({ wire, profile, queue }: ShopOptions, books: Books, name: string): Machine {
  const { world } = wire;
  const { random } = world;
  const owner = newOwner(name, random);
  return world.as(owner, () => {
    const semel = createSemel({
      store: storeAcross(wire, owner),
      misuse: false,
      recovery: random.chance(0.3) ? { orphansEveryMs: 1_000, retentionEveryMs: 3_000 } : false,
      ...(queue && { jobs: queue.jobsOf(owner) }),
    });
    const handlers = handlersOf(world, owner, books);
    const handle =
      profile === 'fetch'
        ? overHttp(semel, world, handlers)
        : overTrpc(semel, world, handlers, queue !== undefined);
    return { owner, handle };
  });
}
