import type { Act } from './act.ts';
import { compare, referencesOf } from './act.ts';
import { createShopper, distinctIds, newTally, unexpected } from './shopper.ts';
import type { Stage } from './stage.ts';
import { progress } from './terminal.ts';

const KEYS = 12;
const DUPLICATES = 20;

/** Every key is sent twenty times at the same moment, half of them to each server. */
export const stormOfOrders: Act = {
  title: `storm of ${KEYS} orders, each sent ${DUPLICATES}×`,
  async run(stage) {
    const { tally, names, outcomes } = await storm(stage, 'order', (shopper, name) =>
      shopper.act(name, (client, options) =>
        client.orders.create.mutate({ sku: name, quantity: 2 }, options),
      ),
    );
    const rows = await stage.orders(`${stage.run}-order-`);
    const problems = [
      ...outcomes.flatMap((all) => unexpected(all, 'completed')),
      ...sameId(outcomes),
      ...compare('order', names, rows),
    ];
    return { title: this.title, tally, effects: rows.length, charges: undefined, problems };
  },
};

export const stormOfPayments: Act = {
  title: `storm of ${KEYS} payments, each sent ${DUPLICATES}×`,
  async run(stage) {
    const { tally, names, outcomes } = await storm(stage, 'storm', (shopper, name) =>
      shopper.act(name, (client, options) =>
        client.payments.create.mutate(
          { amount: 1250, currency: 'EUR', customer: 'cus_ok', reference: name },
          options,
        ),
      ),
    );
    const prefix = `${stage.run}-storm-`;
    const rows = await stage.payments(prefix);
    const charges = await stage.charges(prefix);
    const problems = [
      ...outcomes.flatMap((all) => unexpected(all, 'completed')),
      ...sameId(outcomes),
      ...compare(
        'payment',
        names,
        rows.map(({ reference }) => reference),
      ),
      ...compare('charge', names, referencesOf(charges)),
    ];
    return { title: this.title, tally, effects: rows.length, charges: charges.length, problems };
  },
};

type Send<T> = (shopper: ReturnType<typeof createShopper>, name: string) => Promise<T>;

async function storm<T>(stage: Stage, kind: string, send: Send<T>) {
  const tally = newTally();
  const names = Array.from({ length: KEYS }, (_, i) => `${stage.run}-${kind}-${i + 1}`);
  const shoppers = Array.from({ length: DUPLICATES }, (_, i) =>
    createShopper(stage.servers[i % 2 === 0 ? 0 : 1].url, tally),
  );
  const outcomes = await Promise.all(
    names.map((name) => Promise.all(shoppers.map((shopper) => send(shopper, name)))),
  );
  progress(
    `${tally.calls} calls to two servers: ${tally.completed} ran, ${tally.replayed} were given the same answer`,
  );
  return { tally, names, outcomes };
}

const sameId = (outcomes: readonly Parameters<typeof distinctIds>[0][]): string[] =>
  outcomes.flatMap((all) =>
    distinctIds(all) === 1 ? [] : [`one key got ${distinctIds(all)} different answers`],
  );
