import { createSemel, type Semel } from '@semel/server';
import type { MemoryTransaction } from '@semel/server/store';
import {
  type IdempotencyContext,
  type IdempotencyMeta,
  idempotencyContext,
  trpcIdempotency,
} from '@semel/server/trpc';
import { initTRPC, TRPCError } from '@trpc/server';
import { resolveResponse } from '@trpc/server/http';
import { type Owner, type Provider, type StoreWire, storeAcross } from './engine.ts';

/** What a user orders. The same cart is the same intent. */
export interface Order {
  readonly user: string;
  readonly cart: string;
  readonly amount: number;
}

/** What the shop answers, and the row that it leaves. */
export interface Receipt extends Order {
  readonly key: string;
  readonly path: string;
  readonly execution: number;
}

interface Arrived {
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  readonly body: string | undefined;
}

interface Replied {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/** The real engine behind the real tRPC adapter, in several processes over one store. */
export interface Shop {
  /** A request's bytes arrive after `ms`, at a process of the balancer's choice. Status 0: that process has died of it. */
  receive(ms: number, arrived: Arrived, reply: (replied: Replied) => void): void;
  crash(): void;
  pause(ms: number): void;
  moveClock(ms: number): void;
  /** How many more payments for a cart are declined. */
  readonly declines: Map<string, number>;
}

interface Context {
  readonly idempotency: IdempotencyContext;
  readonly user: string;
}

interface Machine {
  readonly owner: Owner;
  readonly semel: Semel<MemoryTransaction>;
  handle(arrived: Arrived): Promise<Replied>;
}

export const SHOP_URL = 'http://shop';

export function createShop(wire: StoreWire, provider: Provider): Shop {
  const { world } = wire;
  const { random } = world;
  const machines: Machine[] = [];
  const declines = new Map<string, number>();
  const state = { executions: 0 };
  let booted = 0;

  const boot = (): Machine => startMachine(wire, provider, declines, state, `m${++booted}`);
  for (let i = 1 + random.below(2); i > 0; i--) machines.push(boot());

  return {
    declines,
    receive(ms, arrived, reply) {
      const { leaps } = world;
      world.after(ms, undefined, () => {
        // A connection doesn't outlive a leap: nothing is on its way for hours.
        if (world.leaps !== leaps) return reply({ status: 0, headers: new Headers(), body: '' });
        const machine = random.pick(machines);
        world.log(() => `${machine.owner.name} receives ${arrived.url}`);
        let done = false;
        const answer = (replied: Replied): void => {
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
    moveClock(ms) {
      random.pick(machines).owner.wallOffset += ms;
    },
  };
}

function startMachine(
  wire: StoreWire,
  provider: Provider,
  declines: Map<string, number>,
  state: { executions: number },
  name: string,
): Machine {
  const { world } = wire;
  const { random } = world;
  const owner: Owner = {
    name,
    alive: true,
    pausedUntil: 0,
    monotonicOffset: random.between(0, 100_000),
    wallOffset: random.between(-5_000, 5_000),
  };
  const semel = world.as(owner, () =>
    createSemel({
      store: storeAcross(wire, owner),
      misuse: false,
      recovery: random.chance(0.3) ? { orphansEveryMs: 1_000, retentionEveryMs: 3_000 } : false,
    }),
  );
  const t = initTRPC.context<Context>().meta<IdempotencyMeta>().create({ isDev: false });
  const idempotent = trpcIdempotency({ semel, scope: (ctx: Context) => ctx.user });
  const think = (most: number): Promise<void> | undefined =>
    random.chance(0.4) ? new Promise((resolve) => setTimeout(resolve, random.between(1, most))) : undefined;
  const stumble = (): void => {
    if (world.faulty && random.chance(0.08)) throw new Error('not now');
  };
  const receiptOf = ({ key, procedure }: { key: string; procedure: string }, order: Order): Receipt => ({
    ...order,
    key,
    path: procedure,
    execution: ++state.executions,
  });
  const declined = (): never => {
    throw new TRPCError({ code: 'PAYMENT_REQUIRED', message: 'declined' });
  };
  const order = t.procedure.input((value: unknown) => value as Order);
  const inFlight = random.pick(['conflict', { waitMs: 50 }, { waitMs: 1_000 }] as const);

  const router = t.router({
    /** The effect is outside, under a child key. */
    pay: idempotent(order)
      .meta({ idempotency: { mode: 'leased', effects: 'steps', leaseMs: random.pick([200, 600]), inFlight } })
      .mutation(async ({ ctx, input }): Promise<Receipt> => {
        const { operation } = ctx;
        await think(600);
        stumble();
        await operation.step('charge', { input: input.cart }, async (key) => {
          const no = (declines.get(input.cart) ?? 0) > 0;
          const asked = {
            identity: input.cart,
            operationId: operation.id,
            step: 'charge',
            key,
            declines: no,
          };
          const said = await provider.charge(owner, asked);
          if (!('declined' in said)) return said.charged;
          declines.set(input.cart, (declines.get(input.cart) ?? 0) - 1);
          throw operation.refuse(new TRPCError({ code: 'PAYMENT_REQUIRED', message: 'declined' }));
        });
        stumble();
        return operation.settle(async (tx) => {
          await think(100);
          const receipt = receiptOf(operation, input);
          tx.set(`receipt ${receipt.execution}`, receipt);
          return receipt;
        });
      }),
    /** The effect is in the database itself. */
    book: idempotent(order)
      .meta({ idempotency: { mode: 'atomic', inFlight } })
      .mutation(async ({ ctx, input }): Promise<Receipt> => {
        const { operation } = ctx;
        await think(300);
        stumble();
        const left = declines.get(input.cart) ?? 0;
        if (left > 0) {
          declines.set(input.cart, left - 1);
          declined();
        }
        const receipt = receiptOf(operation, input);
        operation.tx.set(`receipt ${receipt.execution}`, receipt);
        await think(100);
        stumble();
        return receipt;
      }),
    idempotency: t.router({ status: idempotent.status(t.procedure) }),
  });

  async function handle({ url, method, headers, body }: Arrived): Promise<Replied> {
    const signal = new AbortController().signal;
    const req = { method, url, headers, body: null, signal, text: async () => body ?? '' };
    const response = await resolveResponse({
      router,
      req: Object.assign(req, { json: async () => JSON.parse(body ?? 'null') }) as unknown as Request,
      path: new URL(url).pathname.slice(1),
      error: null,
      allowBatching: true,
      createContext: async ({ info }: { info: never }) => ({
        idempotency: idempotencyContext({ req: { headers }, info } as never),
        user: headers.get('authorization') ?? '',
      }),
      responseMeta: idempotent.responseMeta,
    } as never);
    return { status: response.status, headers: response.headers, body: await response.text() };
  }
  return { owner, semel, handle };
}
