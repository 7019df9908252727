import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { KEPT_SEEDS } from './kept-seeds.ts';
import { manySeeds } from './many-seeds.ts';
import { MISTAKES, type MistakeName } from './mistakes.ts';
import { simulate } from './simulate.ts';

// The real engine, several processes of it over one store, in a world whose time, order and faults come from a seed.
// `SEMEL_SEEDS` says how many (50,000 in CI), `SEMEL_SEED` the first.
const SEEDS = Number(process.env.SEMEL_SEEDS ?? (process.env.CI ? 50_000 : 3_000));
const FIRST = Number(process.env.SEMEL_SEED ?? 1);

/** What a person needs to look at a failing seed. */
async function story(seed: number): Promise<string> {
  const { violation, log } = await simulate(seed, { logging: true });
  const alone = `node --conditions=@semel/source packages/server/src/testing/simulation/run-seed.ts ${seed}`;
  return `seed ${seed}: ${violation}\nalone: ${alone}\nkeep it in kept-seeds.ts\n${log.join('\n')}`;
}

async function logOf(seed: number): Promise<string> {
  const { log } = await simulate(seed, { logging: true });
  return createHash('sha256').update(log.join('\n')).digest('hex');
}

describe('a seed', () => {
  test('is the same run each time, event by event', async () => {
    const hashes = new Set<string>();
    for (let seed = 1; seed <= 200; seed++) {
      const hash = await logOf(seed);
      expect(await logOf(seed), `seed ${seed}`).toBe(hash);
      hashes.add(hash);
    }
    expect(hashes.size).toBe(200);
  });

  test('gives its globals back', async () => {
    const before = [setTimeout, clearTimeout, Date.now, Math.random, performance.now];
    await simulate(1);
    expect([setTimeout, clearTimeout, Date.now, Math.random, performance.now]).toEqual(before);
  });
});

test(`${SEEDS} seeds: one effect, one charge, one answer, nobody stuck`, { timeout: 900_000 }, async () => {
  const { runs, events, told, failing } = await manySeeds(FIRST, SEEDS);
  if (failing !== undefined) expect.fail(await story(failing));
  expect(runs).toBe(SEEDS);
  // Runs in which nothing happened would prove nothing.
  expect(events / runs).toBeGreaterThan(50);
  expect(told / runs).toBeGreaterThan(0.8);
});

describe('seeds that once failed hold', () => {
  test.each(KEPT_SEEDS)('%i: %s', async (seed) => {
    const { violation } = await simulate(seed);
    if (violation !== undefined) expect.fail(await story(seed));
  });
});

describe.skipIf(process.env.SEMEL_SHORT)('a planted mistake is found within 5,000 seeds', () => {
  for (const [mistake, { found }] of Object.entries(MISTAKES)) {
    test(`${mistake}: ${found}`, { timeout: 120_000 }, async () => {
      const said = new Map<string, number>();
      for (let seed = 1; seed <= 5_000 && !said.has(found); seed++) {
        const { violation } = await simulate(seed, { mistake: MISTAKES[mistake as MistakeName] });
        if (violation !== undefined && !said.has(violation)) said.set(violation, seed);
      }
      expect([...said.keys()]).toContain(found);
    });
  }
});
