import type { Outcome } from '@semel/client';
import { IntentConflictError } from '@semel/client';
import type { Wish } from './judge.ts';
import { type Browser, openPage } from './pages.ts';
import { online } from './story.ts';

/** Longer than any deadline, a tab's patience included. */
const LONG_MS = 200_000;

/** How often a user asks again, who is told that it isn't known yet. */
const ROUNDS = 6;

/** Nothing goes wrong any more: everybody gets an answer, and nothing that was written down is lost. */
export async function settleDown(
  browser: Browser,
  wishes: readonly Wish[],
  keysMayBeOver: boolean,
): Promise<void> {
  const { world, judge, disk } = browser;
  // A queue that loses a job, and then the one that takes its place, is given the next half a minute later.
  const roundMs = browser.profile === 'queued' ? 15_000 : 5_000;
  online(browser);
  const until = world.now() + LONG_MS;
  const busy = () => browser.pages.some(({ underway }) => underway.size > 0);
  await world.run(() => !busy() || world.now() > until);
  if (world.violation !== undefined) return;
  const [stuck] = browser.pages.flatMap(({ underway }) => [...underway.values()]);
  if (stuck !== undefined) return world.violate(`${stuck} never settles`);

  for (const user of ['ann', 'bob']) {
    const isKnown =
      wishes.some((wish) => wish.user === user) ||
      [...disk.records.values()].some(({ scope }) => scope === user);
    if (!isKnown) continue;
    let ended = false;
    for (const page of [...browser.pages]) world.after(0, undefined, () => page.crash());
    world.after(1_000, undefined, () => {
      const page = openPage(browser, user);
      world.become(page.owner);
      const look = async () => {
        const open = [...disk.records.values()].filter(
          ({ scope, state }) => scope === user && state !== 'completed',
        );
        const offered = new Set((await page.semel.pending()).map(({ key }) => key));
        for (const { key } of open) if (!offered.has(key)) world.violate('an open record is not offered');
        const sleep = (ms: number) =>
          new Promise<void>((resolve) => void world.after(ms, page.owner, resolve));
        const forNobody = new Set<string>();
        for (let round = 1; round <= ROUNDS; round++) {
          let open = 0;
          for (const { record, outcome, status } of await page.resume()) {
            if (isDefinite(outcome) || keysMayBeOver) continue;
            if (status !== undefined) {
              // It can't be sent without its input, and nobody else does: that is left to the user.
              forNobody.add(record.key);
              continue;
            }
            open++;
            if (round === ROUNDS) world.violate(`resumed, and ${outcome.status} for ever`);
          }
          if (open === 0) break;
          await sleep(roundMs);
        }
        for (const wish of wishes) {
          if (wish.user !== user || !wish.intent) continue;
          for (let round = 1; round <= ROUNDS; round++) {
            let outcome = await page.click(wish);
            if (isConflict(outcome)) outcome = await page.click(wish, { amount: 11 });
            if (isConflict(outcome)) world.violate('in conflict with every order');
            if (isDefinite(outcome) || keysMayBeOver) break;
            if (round === ROUNDS) world.violate(`${outcome.status} for ever`);
            await sleep(roundMs);
          }
        }
        await sleep(500);
        const left = (await page.semel.pending()).filter(({ key }) => !forNobody.has(key));
        if (left.length > 0 && !keysMayBeOver) world.violate('something stays open');
      };
      void look().then(
        () => {
          ended = true;
        },
        (error) => world.violate(`looking failed: ${error instanceof Error ? error.stack : error}`),
      );
    });
    const limit = world.now() + 2 * LONG_MS;
    await world.run(() => ended || world.now() > limit);
    if (world.violation !== undefined) return;
    if (!ended) return world.violate('the last look never ends');
  }
  judge.verdict();
}

const isDefinite = ({ status }: Outcome<unknown>): boolean => status === 'completed' || status === 'rejected';

const isConflict = (outcome: Outcome<unknown>): boolean =>
  outcome.status === 'rejected' && IntentConflictError.from(outcome.error) !== undefined;
