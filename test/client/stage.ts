import type { SemelClientOptions } from '@semel/client';
import { createMemoryStore } from '@semel/server';
import type { Store } from '@semel/server/store';
import { createTcpProxy, type TcpProxy } from '@semel/testing/faults';
import { afterEach } from 'vitest';
import { type Carrier, type Customer, createCustomer } from './customer.ts';
import { type Shop, startShop } from './shop.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});
export const afterwards = (cleanup: () => unknown): void => void cleanups.push(cleanup);

export interface Stage {
  readonly shop: Shop;
  readonly proxy: TcpProxy;
  customer(carrier: Carrier, options?: SemelClientOptions): Customer;
}

/** A shop, a network that can be broken, and whoever buys there. */
export async function setStage(
  store: Store<unknown> = createMemoryStore() as Store<unknown>,
): Promise<Stage> {
  const shop = await startShop(store);
  afterwards(shop.close);
  const proxy = await createTcpProxy({ target: { host: '127.0.0.1', port: shop.port } });
  afterwards(proxy.close);
  return {
    shop,
    proxy,
    customer(carrier: Carrier, options?: SemelClientOptions) {
      const customer = createCustomer(carrier, proxy.port, options);
      afterwards(customer.close);
      return customer;
    },
  };
}
