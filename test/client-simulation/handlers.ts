import type { Operation } from '@semel/server';
import type { MemoryTransaction } from '@semel/server/store';
import type { Owner, Provider, World } from './engine.ts';

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

/** How an adapter says yes and no. */
export interface Manners<Answer> {
  yes(receipt: Receipt): Answer;
  /** An error, or a response. */
  no(): unknown;
}

/** What all processes of a shop share. */
export interface Books {
  readonly provider: Provider;
  /** How many more payments for a cart are declined. */
  readonly declines: Map<string, number>;
  executions: number;
}

/** What a process does with an order, whatever brought it. */
export function handlersOf(world: World, owner: Owner, books: Books) {
  const { random } = world;
  const { provider, declines } = books;
  const think = (most: number): Promise<void> | undefined =>
    random.chance(0.4) ? new Promise((resolve) => setTimeout(resolve, random.between(1, most))) : undefined;
  const stumble = (): void => {
    if (world.faulty && random.chance(0.08)) throw new Error('not now');
  };
  const receiptOf = (
    { key, procedure }: { readonly key: string; readonly procedure: string },
    order: Order,
  ): Receipt => ({
    ...order,
    key,
    path: procedure,
    execution: ++books.executions,
  });

  return {
    /** The effect is outside, under a child key. */
    async pay<Answer>(
      operation: Operation<MemoryTransaction>,
      input: Order,
      { yes, no }: Manners<Answer>,
    ): Promise<Answer> {
      await think(600);
      stumble();
      await operation.step('charge', { input: input.cart }, async (key) => {
        const asked = {
          identity: input.cart,
          operationId: operation.id,
          step: 'charge',
          key,
          declines: (declines.get(input.cart) ?? 0) > 0,
        };
        const said = await provider.charge(owner, asked);
        if (!('declined' in said)) return said.charged;
        declines.set(input.cart, (declines.get(input.cart) ?? 0) - 1);
        throw operation.refuse(no());
      });
      stumble();
      return operation.settle(async (tx) => {
        await think(100);
        const receipt = receiptOf(operation, input);
        tx.set(`receipt ${receipt.execution}`, receipt);
        return yes(receipt);
      });
    },

    /** The effect is in the database itself. */
    async book<Answer>(
      operation: Operation<MemoryTransaction>,
      input: Order,
      { yes, no }: Manners<Answer>,
    ): Promise<Answer> {
      await think(300);
      stumble();
      const left = declines.get(input.cart) ?? 0;
      if (left > 0) {
        declines.set(input.cart, left - 1);
        throw no();
      }
      const receipt = receiptOf(operation, input);
      operation.tx.set(`receipt ${receipt.execution}`, receipt);
      await think(100);
      stumble();
      return yes(receipt);
    },
  };
}

export type Handlers = ReturnType<typeof handlersOf>;
