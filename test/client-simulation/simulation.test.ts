import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { KEPT_SEEDS } from './kept-seeds.ts';
import { manySeeds } from './many-seeds.ts';
import { MISTAKES, type Mistake } from './mistakes.ts';
import { simulate } from './simulate.ts';

// The real client in the tabs of one browser, against the real engine behind the real tRPC adapter, in a world whose time,
// order and faults come from a seed. `SEMEL_SEEDS` says how many (10,000 in CI, 1,500 elsewhere), `SEMEL_SEED` the first.
const SEEDS = Number(process.env.SEMEL_SEEDS ?? (process.env.CI ? 10_000 : 500));
const FIRST = Number(process.env.SEMEL_SEED ?? 1);

/** What a person needs to look at a failing seed. */
async function story(seed: number): Promise<string> {
  const { violation, log } = await simulate(seed, { logging: true });
  const alone = `node --conditions=@semel/source test/client-simulation/run-seed.ts ${seed}`;
  return `seed ${seed}: ${violation}\nalone: ${alone}\nkeep it in kept-seeds.ts\n${log.join('\n')}`;
}

async function hashOf(seed: number): Promise<string> {
  const { log } = await simulate(seed, { logging: true });
  return createHash('sha256').update(log.join('\n')).digest('hex');
}

describe('a seed', () => {
  test('is the same run each time, event by event', async () => {
    const hashes = new Set<string>();
    for (let seed = 1; seed <= 60; seed++) {
      const hash = await hashOf(seed);
      expect(await hashOf(seed), `seed ${seed}`).toBe(hash);
      hashes.add(hash);
    }
    expect(hashes.size).toBe(60);
  });

  test('gives its globals back', async () => {
    const globals = () => [setTimeout, Date.now, performance.now, BroadcastChannel, crypto.getRandomValues];
    const before = globals();
    await simulate(1);
    expect(globals()).toEqual(before);
  });
});

test(`${SEEDS} seeds: one effect for each action, everybody told the truth, nobody stuck`, {
  timeout: 900_000,
}, async () => {
  const { runs, events, effects, failing } = await manySeeds(FIRST, SEEDS);
  if (failing !== undefined) expect.fail(await story(failing));
  expect(runs).toBe(SEEDS);
  // Runs in which nothing happened would prove nothing.
  expect(events / runs).toBeGreaterThan(150);
  expect(effects / runs).toBeGreaterThan(1.5);
});

describe('seeds that once failed hold', () => {
  test.each(KEPT_SEEDS)('%i: %s', async (seed) => {
    const { violation } = await simulate(seed);
    if (violation !== undefined) expect.fail(await story(seed));
  });
});

describe('a planted mistake is found within 1,000 seeds', () => {
  test.each(Object.entries<Mistake>(MISTAKES))('%s', { timeout: 120_000 }, async (_, mistake) => {
    const said = new Set<string>();
    for (let seed = 1; seed <= 1_000 && !mistake.found.some((found) => said.has(found)); seed++) {
      const { violation } = await simulate(seed, { mistake });
      if (violation !== undefined) said.add(violation);
    }
    expect(mistake.found).toContain([...said].at(-1));
  });
});
