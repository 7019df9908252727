import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { KEPT_SEEDS } from './kept-seeds.ts';
import { manySeeds } from './many-seeds.ts';
import { MISTAKES, type Mistake } from './mistakes.ts';
import { PROFILES, type Profile, SHARES } from './profile.ts';
import { simulate } from './simulate.ts';

// The real client in the tabs of one browser, against the real engine behind the real adapters, in a world whose time,
// order and faults come from a seed. `SEMEL_SEEDS` says how many (10,000 in CI, 500 elsewhere; `SHARES` divides them among
// the profiles), `SEMEL_SEED` the first of each.
const SEEDS = Number(process.env.SEMEL_SEEDS ?? (process.env.CI ? 10_000 : 500));
const FIRST = Number(process.env.SEMEL_SEED ?? 1);

/** What a person needs to look at a failing seed. */
async function story(seed: number, profile: Profile): Promise<string> {
  const { violation, log } = await simulate(seed, { logging: true, profile });
  const alone = `node --conditions=@semel/source test/client-simulation/run-seed.ts ${seed} ${profile}`;
  return `${profile} seed ${seed}: ${violation}\nalone: ${alone}\nkeep it in kept-seeds.ts\n${log.join('\n')}`;
}

async function hashOf(seed: number, profile: Profile): Promise<string> {
  const { log } = await simulate(seed, { logging: true, profile });
  return createHash('sha256').update(log.join('\n')).digest('hex');
}

describe('a seed', () => {
  test.each(PROFILES)('is the same run each time, event by event: %s', async (profile) => {
    const hashes = new Set<string>();
    for (let seed = 1; seed <= 15; seed++) {
      const hash = await hashOf(seed, profile);
      expect(await hashOf(seed, profile), `seed ${seed}`).toBe(hash);
      hashes.add(hash);
    }
    expect(hashes.size).toBe(15);
  });

  test('gives its globals back', async () => {
    const globals = () => [setTimeout, Date.now, performance.now, BroadcastChannel, crypto.getRandomValues];
    const before = globals();
    await simulate(1);
    expect(globals()).toEqual(before);
  });
});

describe(`${SEEDS} seeds: one effect for each action, everybody told the truth, nobody stuck`, () => {
  test.each(PROFILES.map((profile) => [profile, Math.ceil(SEEDS * SHARES[profile])] as const))(
    '%s: %i',
    {
      timeout: 900_000,
    },
    async (profile, count) => {
      const { runs, events, effects, failing } = await manySeeds(FIRST, count, profile);
      if (failing !== undefined) expect.fail(await story(failing, profile));
      expect(runs).toBe(count);
      // Runs in which nothing happened would prove nothing.
      expect(events / runs).toBeGreaterThan(150);
      expect(effects / runs).toBeGreaterThan(1.5);
    },
  );
});

describe('seeds that once failed hold', () => {
  const kept = KEPT_SEEDS.map(([seed, once, profile = 'link']) => ({ seed, once, profile }));
  test.each(kept)('$profile $seed: $once', async ({ seed, profile }) => {
    const { violation } = await simulate(seed, { profile });
    if (violation !== undefined) expect.fail(await story(seed, profile));
  });
});

describe('a planted mistake is found within 1,000 seeds', () => {
  test.each(Object.entries<Mistake>(MISTAKES))('%s', { timeout: 240_000 }, async (_, mistake) => {
    const { profile = 'link', found } = mistake;
    const said = new Set<string>();
    for (let seed = 1; seed <= 1_000 && !found.some((each) => said.has(each)); seed++) {
      const { violation } = await simulate(seed, { profile, mistake });
      if (violation !== undefined) said.add(violation);
    }
    expect(found).toContain([...said].at(-1));
  });
});
