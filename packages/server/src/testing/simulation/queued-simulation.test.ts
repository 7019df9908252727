import { describe, expect, test } from 'vitest';
import { manySeeds } from './many-seeds.ts';
import { QUEUED_MISTAKES } from './queued-mistakes.ts';
import { simulate } from './simulate.ts';

// As simulation.test.ts, about queued work: requests enqueue, workers run, a queue loses and repeats jobs, operators redrive
// twice at once. `SEMEL_SEEDS` says how many (in CI more than elsewhere), `SEMEL_SEED` the first.
const SEEDS = Number(process.env.SEMEL_SEEDS ?? (process.env.CI ? 10_000 : 500));
const FIRST = Number(process.env.SEMEL_SEED ?? 1);

async function story(seed: number): Promise<string> {
  const { violation, log } = await simulate(seed, { logging: true, queued: true });
  const alone = `node --conditions=@semel/source packages/server/src/testing/simulation/run-seed.ts ${seed} --queued`;
  return `seed ${seed}: ${violation}\nalone: ${alone}\n${log.join('\n')}`;
}

test(`${SEEDS} seeds of queued work: one effect, one charge, one answer, nobody stuck`, {
  timeout: 900_000,
}, async () => {
  const { runs, events, told, failing } = await manySeeds(FIRST, SEEDS, { queued: true });
  if (failing !== undefined) expect.fail(await story(failing));
  expect(runs).toBe(SEEDS);
  expect(events / runs).toBeGreaterThan(100);
  expect(told / runs).toBeGreaterThan(0.8);
});

test('a seed is the same run each time, event by event', async () => {
  for (let seed = 1; seed <= 50; seed++) {
    const { log } = await simulate(seed, { logging: true, queued: true });
    const again = await simulate(seed, { logging: true, queued: true });
    expect(again.log.join('\n') === log.join('\n'), `seed ${seed}`).toBe(true);
  }
});

describe('seeds that once failed hold', () => {
  test.each([
    [4399, 'a lost attempt was given a job under an id that the queue had seen and lost'],
    [4803, 'a lost attempt was given a job under an id that the queue had seen and lost'],
    [1630, 'a last attempt was lost where no process swept: requests leave it to the sweep'],
  ])('%i: %s', async (seed) => {
    const { violation } = await simulate(seed, { queued: true });
    if (violation !== undefined) expect.fail(await story(seed));
  });
});

describe.skipIf(process.env.SEMEL_SHORT)('a planted mistake is found within 3,000 seeds', () => {
  for (const [name, mistake] of Object.entries(QUEUED_MISTAKES)) {
    test(`${name}: ${mistake.found}`, { timeout: 120_000 }, async () => {
      const said = new Map<string, number>();
      for (let seed = 1; seed <= 3_000 && !said.has(mistake.found); seed++) {
        const { violation } = await simulate(seed, { queued: true, mistake });
        if (violation !== undefined && !said.has(violation)) said.set(violation, seed);
      }
      expect([...said.keys()]).toContain(mistake.found);
    });
  }
});
