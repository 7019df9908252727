import { type Act, compare, referencesOf } from './act.ts';
import { createShopper, distinctIds, newTally, unexpected } from './shopper.ts';
import { progress } from './terminal.ts';

const DUPLICATES = 3;
/** The first works at once, the second's bank fails twice, the answer about the third is lost on its way. */
const ACCOUNTS = ['ba_ok', 'ba_5xx', 'ba_lost', 'ba_slow'];

/** Accepted with 202, sent by a worker. The server that works on them is killed in the middle. */
export const queuedPayouts: Act = {
  title: `${ACCOUNTS.length} payouts (202), asked ${DUPLICATES}× each, a server killed meanwhile`,
  async run(stage) {
    const tally = newTally();
    const names = ACCOUNTS.map((account) => `${stage.run}-payout-${account}`);
    const shoppers = Array.from({ length: DUPLICATES }, () => createShopper(stage.servers[1].url, tally));
    const asked = names.map((name, i) =>
      Promise.all(
        shoppers.map((shopper) =>
          shopper.act(name, (client, options) =>
            client.payouts.create.mutate(
              { amount: 5000 + i, currency: 'EUR', destination: ACCOUNTS[i] ?? 'ba_ok' },
              options,
            ),
          ),
        ),
      ),
    );
    await stage.somePayoutRuns();
    await stage.servers[0].kill();
    progress('the first server was killed (-9) while payouts ran');
    await stage.servers[0].start();
    const outcomes = await Promise.all(asked);
    const rows = await stage.payouts();
    const transfers = await stage.transfers();
    progress(`${rows.length} payouts in the database, ${transfers.length} transfers at the provider`);
    const wanted = outcomes.flatMap(([first]) =>
      first?.status === 'completed' ? [first.data.id] : ['(no answer)'],
    );
    return {
      title: this.title,
      tally,
      effects: rows.length,
      charges: transfers.length,
      problems: [
        ...outcomes.flatMap((all) => unexpected(all, 'completed')),
        ...outcomes.flatMap((all) => (distinctIds(all) === 1 ? [] : ['one key got different payouts'])),
        ...compare('payout', wanted, rows),
        ...compare('transfer', wanted, referencesOf(transfers)),
      ],
    };
  },
};

/** Refused by the bank: final, stored, and not tried again. */
export const refusedPayout: Act = {
  title: 'a payout to a closed account, asked twice',
  async run(stage) {
    const tally = newTally();
    const name = `${stage.run}-payout-closed`;
    const before = await stage.transfers();
    const outcomes = [];
    for (const { url } of stage.servers) {
      outcomes.push(
        await createShopper(url, tally).act(name, (client, options) =>
          client.payouts.create.mutate({ amount: 900, currency: 'EUR', destination: 'ba_declined' }, options),
        ),
      );
    }
    progress(outcomes.map((o) => (o.status === 'rejected' ? String(o.error) : o.status)).join(' / '));
    const after = await stage.transfers();
    return {
      title: this.title,
      tally,
      effects: 0,
      charges: after.length - before.length,
      problems: [
        ...unexpected(outcomes, 'rejected'),
        ...(after.length === before.length ? [] : ['money was sent']),
      ],
    };
  },
};
