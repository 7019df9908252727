import { createTcpProxy, loseAnswerAfter } from '@semel/testing/faults';
import { type Act, compare, referencesOf } from './act.ts';
import { createShopper, newTally, unexpected } from './shopper.ts';
import { progress } from './terminal.ts';

const EACH = 5;

/** The provider charges, and its answer gets lost on the way to the server (`cus_lost`). */
export const lostAtTheProvider: Act = {
  title: 'answers lost: provider → server',
  async run(stage) {
    const tally = newTally();
    const prefix = `${stage.run}-lostp-`;
    const names = Array.from({ length: EACH }, (_, i) => `${prefix}${i + 1}`);
    const outcomes = await Promise.all(
      names.map((name, i) =>
        createShopper(stage.servers[i % 2 === 0 ? 0 : 1].url, tally).act(name, (client, options) =>
          client.payments.create.mutate(
            { amount: 990, currency: 'USD', customer: 'cus_lost', reference: name },
            options,
          ),
        ),
      ),
    );
    const rows = await stage.payments(prefix);
    const charges = await stage.charges(prefix);
    progress(
      `${tally.calls} payments took ${tally.requests} requests; the provider made ${charges.length} charges`,
    );
    const problems = [
      ...unexpected(outcomes, 'completed'),
      ...(tally.requests > tally.calls ? [] : ['no answer got lost: this act showed nothing']),
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

/** The server does it all, and the network swallows its answer: a proxy cuts the line with the answer in it. */
export const lostAtTheClient: Act = {
  title: 'answers lost: server → client',
  async run(stage) {
    const tally = newTally();
    const prefix = `${stage.run}-lostc-`;
    const [server] = stage.servers;
    const proxy = await createTcpProxy({
      target: { host: '127.0.0.1', port: Number(new URL(server.url).port) },
    });
    const orders = Array.from({ length: EACH }, (_, i) => `${prefix}order-${i + 1}`);
    const payments = Array.from({ length: EACH }, (_, i) => `${prefix}payment-${i + 1}`);
    const outcomes: Awaited<ReturnType<ReturnType<typeof createShopper>['act']>>[] = [];
    let cut = 0;
    try {
      const shopper = createShopper(proxy.url(server.url).replace(/\/$/, ''), tally);
      for (const name of [...orders, ...payments]) {
        const lost = loseAnswerAfter(name); // the key goes by that name, in a header
        proxy.setFaults({ onData: lost.onData });
        const answer = orders.includes(name)
          ? shopper.act(name, (client, options) =>
              client.orders.create.mutate({ sku: name, quantity: 1 }, options),
            )
          : shopper.act(name, (client, options) =>
              client.payments.create.mutate(
                { amount: 2500, currency: 'GBP', customer: 'cus_ok', reference: name },
                options,
              ),
            );
        const first = await Promise.race([lost.swallowed, answer.then(() => undefined)]);
        first?.reset(); // the server has answered, so it is done; now the client may notice
        if (first !== undefined) cut++;
        const outcome = await answer;
        outcomes.push(outcome);
        if (outcome.status !== 'completed') break; // that says enough; the rest would only take its time
      }
    } finally {
      await proxy.close();
    }
    const [rows, paid] = [await stage.orders(prefix), await stage.payments(prefix)];
    const charges = await stage.charges(prefix);
    progress(
      `${cut} answers swallowed, ${tally.requests} requests, ${tally.replayed} answers came with the second one`,
    );
    const problems = [
      ...unexpected(outcomes, 'completed'),
      ...(cut === 2 * EACH ? [] : [`only ${cut} answers were swallowed: this act showed too little`]),
      ...compare('order', orders, rows),
      ...compare(
        'payment',
        payments,
        paid.map(({ reference }) => reference),
      ),
      ...compare('charge', payments, referencesOf(charges)),
    ];
    return {
      title: this.title,
      tally,
      effects: rows.length + paid.length,
      charges: charges.length,
      problems,
    };
  },
};
