import { type Act, compare, referencesOf } from './act.ts';
import { createShopper, newTally, unexpected } from './shopper.ts';
import type { Stage } from './stage.ts';
import { progress } from './terminal.ts';

const PAYMENTS = 3;

/**
 * `cus_slow`: the provider charges at once and answers two seconds later. In between the server is killed with SIGKILL,
 * so it never learns what happened, and neither does its record. It is started again; the client has never stopped asking.
 */
export const killedServer: Act = {
  title: 'server killed -9 in mid-payment',
  async run(stage) {
    const tally = newTally();
    const prefix = `${stage.run}-kill-`;
    const names = Array.from({ length: PAYMENTS }, (_, i) => `${prefix}${i + 1}`);
    const [victim] = stage.servers;
    const shopper = createShopper(victim.url, tally);
    let answered = 0;
    const calls = names.map((name) =>
      shopper
        .act(name, (client, options) =>
          client.payments.create.mutate(
            { amount: 4200, currency: 'CHF', customer: 'cus_slow', reference: name },
            options,
          ),
        )
        .finally(() => {
          answered++;
        }),
    );
    await charged(stage, prefix, PAYMENTS);
    await victim.kill();
    const answeredBefore = answered;
    const before = await stage.payments(prefix);
    progress(
      `killed: ${PAYMENTS} cards are charged, ${before.length} payments are recorded, nobody has an answer`,
    );
    await victim.start();
    progress(
      `restarted; the dead server's claims hold for up to ${stage.leaseMs / 1000} s, the client keeps asking`,
    );
    const outcomes = await Promise.all(calls);

    const rows = await stage.payments(prefix);
    const charges = await stage.charges(prefix);
    progress(`${rows.length} payments recorded, ${charges.length} charges at the provider`);
    const problems = [
      ...(answeredBefore === 0 && before.length === 0
        ? []
        : ['the server was killed too late: this act showed nothing']),
      ...unexpected(outcomes, 'completed'),
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

/** Until the provider has made these charges. */
async function charged(stage: Stage, prefix: string, count: number): Promise<void> {
  for (const until = performance.now() + 10_000; performance.now() < until; ) {
    if ((await stage.charges(prefix)).length >= count) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('The provider was not asked for the charges of this act');
}
