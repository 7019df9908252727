// Clicks, lost answers, reloads, crashes, aborts and second tabs in random order, from a seed. SEED=7 runs one of them,
// SEEDS=500 as many.
import { IDBFactory } from 'fake-indexeddb';
import { expect, it } from 'vitest';
import { outcomeOf, resume } from '../index.ts';
import { indexedDbJournal } from '../indexeddb.ts';
import { browserTabs } from '../tabs.ts';
import { openPage } from '../test-rig/page.ts';
import { faults, startServer } from '../test-rig/server.ts';

/** mulberry32: small, and the same everywhere. */
function randomFrom(seed: number) {
  let state = seed;
  return (below: number) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

const INTENTS = ['a', 'b', 'c'];
const FAULTS = [
  faults.cutBefore,
  faults.cutAfter,
  faults.html502,
  faults.empty500,
  faults.busy503,
  faults.cutBody,
];

async function story(seed: number) {
  const random = randomFrom(seed);
  const pick = <T>(of: readonly T[]): T => of[random(of.length)] as T;
  await using server = await startServer();
  const indexedDB = new IDBFactory();
  const name = `semel-${seed}-${crypto.randomUUID()}`;
  const keys = new Map<string, Set<string>>(INTENTS.map((intent) => [intent, new Set()]));
  const open = () => {
    const tabs = browserTabs({ name, ...(seed % 4 === 0 && { locks: undefined }) });
    const page = openPage(server, {
      journal: indexedDbJournal({ indexedDB }),
      tabs,
      persistInput: () => seed % 2 === 0,
      retry: { baseMs: 1, maxAttempts: 2, attemptTimeoutMs: 200, deadlineMs: 400 },
    });
    const click = async (intent: string, signal = new AbortController().signal) => {
      const outcome = await outcomeOf(() =>
        page.trpc.orders.create.mutate({ sku: intent }, { context: { intent }, signal }),
      );
      if (outcome.status === 'completed') {
        expect(outcome.data.sku).toBe(intent);
        keys.get(intent)?.add(String(outcome.key));
      }
      return outcome;
    };
    const clicks: Promise<unknown>[] = [];
    const crash = () => {
      page.kill();
      tabs.close();
    };
    return { ...page, click, clicks, crash };
  };

  const pages = [open()];
  for (let step = 0; step < 12; step++) {
    const page = pick(pages);
    switch (random(7)) {
      case 0:
      case 1:
        page.clicks.push(page.click(pick(INTENTS)));
        break;
      case 2:
        server.fail(pick(FAULTS));
        break;
      case 3:
        page.crash();
        pages.splice(pages.indexOf(page), 1, open());
        break;
      case 4:
        if (pages.length < 3) pages.push(open());
        break;
      case 5: {
        const user = new AbortController();
        page.clicks.push(page.click(pick(INTENTS), user.signal));
        setTimeout(() => user.abort(), random(5));
        break;
      }
      case 6:
        void resume(page.semel, page.trpc, { concurrency: 2 });
    }
    for (let wait = random(8); wait > 0; wait--) await new Promise((resolve) => setImmediate(resolve));
  }

  // The faults stop: all that wait get an answer. Then everybody leaves, and the user looks once more.
  await Promise.all(pages.flatMap(({ clicks }) => clicks));
  for (const page of pages) page.crash();
  const last = open();
  for (const intent of INTENTS) {
    let outcome = await last.click(intent);
    for (let again = 0; again < 20 && outcome.status !== 'completed'; again++)
      outcome = await last.click(intent);
    expect(outcome.status, `intent ${intent} settles`).toBe('completed');
  }
  last.crash();
  expect(server.executions.length, 'one execution for each intent').toBe(INTENTS.length);
  for (const [intent, seen] of keys) expect([...seen], `intent ${intent} has one key`).toHaveLength(1);
  expect(await last.semel.pending()).toEqual([]);
}

const { SEED, SEEDS = 60 } = process.env;
const seeds = SEED ? [Number(SEED)] : Array.from({ length: Number(SEEDS) }, (_, i) => i + 1);
it.each(seeds)('seed %i: every intent is done once, under one key, and every page learns it', story);
