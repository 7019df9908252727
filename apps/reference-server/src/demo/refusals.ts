import { type Act, compare, referencesOf } from './act.ts';
import { createShopper, newTally, unexpected } from './shopper.ts';
import { progress } from './terminal.ts';

/** "No" is an outcome too: it is stored, and the second time nobody asks the bank again. */
export const declinedCard: Act = {
  title: 'a declined card, asked 3 times',
  async run(stage) {
    const tally = newTally();
    const name = `${stage.run}-declined-1`;
    const outcomes = [];
    for (const { url } of [stage.servers[0], stage.servers[1], stage.servers[0]]) {
      outcomes.push(
        await createShopper(url, tally).act(name, (client, options) =>
          client.payments.create.mutate(
            { amount: 700, currency: 'EUR', customer: 'cus_declined', reference: name },
            options,
          ),
        ),
      );
    }
    const messages = new Set(
      outcomes.map((outcome) => (outcome.status === 'rejected' ? String(outcome.error) : outcome.status)),
    );
    const rows = await stage.payments(name);
    const charges = await stage.charges(name);
    progress([...messages].join(' / '));
    const problems = [
      ...unexpected(outcomes, 'rejected'),
      ...(messages.size === 1 ? [] : ['the refusals differ']),
      ...compare(
        'failed payment',
        [name],
        rows.filter(({ state }) => state === 'failed').map(({ reference }) => reference),
      ),
      ...compare('charge', [], referencesOf(charges)),
    ];
    return { title: this.title, tally, effects: rows.length, charges: charges.length, problems };
  },
};

/** A programming error of the caller: the second request is another one, so it gets neither an answer nor an effect. */
export const reusedKey: Act = {
  title: 'a key reused with another amount',
  async run(stage) {
    const tally = newTally();
    const name = `${stage.run}-reused-1`;
    const pay = (server: 0 | 1, amount: number) =>
      createShopper(stage.servers[server].url, tally).act(name, (client, options) =>
        client.payments.create.mutate(
          { amount, currency: 'EUR', customer: 'cus_ok', reference: name },
          options,
        ),
      );
    const first = await pay(0, 1000);
    const others = [await pay(0, 9900), await pay(1, 1)];
    const codes = others.map((outcome) =>
      outcome.status === 'rejected' ? outcome.problem?.code : outcome.status,
    );
    progress(`the other amounts were answered ${codes.join(', ')}`);
    const rows = await stage.payments(name);
    const charges = await stage.charges(name);
    const problems = [
      ...unexpected([first], 'completed'),
      ...codes.flatMap((code) => (code === 'key_reused' ? [] : [`answered ${code}, wanted key_reused`])),
      ...compare(
        'payment',
        [name],
        rows.map(({ reference }) => reference),
      ),
      ...compare(
        'charge',
        [`${name} 1000`],
        charges.map(({ reference, amount }) => `${reference} ${amount}`),
      ),
    ];
    return { title: this.title, tally, effects: rows.length, charges: charges.length, problems };
  },
};
