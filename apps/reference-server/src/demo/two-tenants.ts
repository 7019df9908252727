import { type Act, compare, referencesOf } from './act.ts';
import { ACME, createShopper, distinctIds, GLOBEX, newTally, unexpected } from './shopper.ts';
import { progress } from './terminal.ts';

/** The scope comes from the API key: two tenants that choose the same key have two operations. */
export const twoTenants: Act = {
  title: 'two tenants, same key and body',
  async run(stage) {
    const tally = newTally();
    const name = `${stage.run}-tenants-1`;
    const outcomes = await Promise.all(
      [ACME, GLOBEX].map((apiKey) =>
        createShopper(stage.servers[0].url, tally, apiKey).act(name, (client, options) =>
          client.payments.create.mutate(
            { amount: 3300, currency: 'SEK', customer: 'cus_ok', reference: name },
            options,
          ),
        ),
      ),
    );
    const rows = await stage.payments(name);
    const charges = await stage.charges(name);
    progress(
      `payments of ${rows
        .map(({ tenantId }) => tenantId)
        .sort()
        .join(' and ')}`,
    );
    const problems = [
      ...unexpected(outcomes, 'completed'),
      ...(distinctIds(outcomes) === 2 ? [] : ['one tenant was given the answer of the other']),
      ...compare(
        'payment of',
        ['acme', 'globex'],
        rows.map(({ tenantId }) => tenantId),
      ),
      ...compare('charge', [name, name], referencesOf(charges)),
    ];
    return { title: this.title, tally, effects: rows.length, charges: charges.length, problems };
  },
};
