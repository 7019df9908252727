import { describe, expect, test } from 'vitest';
import { runCase, runContract, whySkipped } from './run.ts';
import { contractSuite } from './suite.ts';
import { startLittleServer } from './wrong/little-server.ts';
import { wrongServers } from './wrong/wrong-servers.ts';

const cases = new Map(contractSuite.flatMap((group) => group.cases.map((each) => [each.id as string, each])));

describe('the contract suite fails a server that', () => {
  for (const { mistake, caughtBy, rules } of wrongServers)
    test(mistake, async () => {
      const { target, capabilities, close } = await startLittleServer(rules);
      try {
        expect(caughtBy.length).toBeGreaterThan(0);
        for (const id of caughtBy) {
          const named = cases.get(id);
          expect(named, `a case called ${id}`).toBeDefined();
          if (named === undefined) continue;
          expect(whySkipped(named, target, capabilities)).toBeUndefined();
          // An assertion of the suite says no; a wrong server that merely breaks the case proves nothing.
          const failure = await runCase(named, target, capabilities).catch((error: unknown) => error);
          expect((failure as Error)?.name, `${id} fails by an assertion, not with: ${String(failure)}`).toBe(
            'AssertionError',
          );
        }
      } finally {
        await close();
      }
    });
});

test('the contract suite passes the right little server', async () => {
  const { target, capabilities, close } = await startLittleServer();
  try {
    const results = await runContract({ target, capabilities });
    expect(results.filter(({ outcome }) => outcome === 'failed')).toEqual([]);
    const skipped = results.filter(({ outcome }) => outcome === 'skipped').map(({ id }) => id);
    // A batch needs tRPC, two servers need a store that both see, and this one answers conflicts.
    expect(skipped).toEqual(['S30', 'S30-replay', 'S31', 'N30', 'W25', 'W26', 'W27', 'W28', 'W29']);
  } finally {
    await close();
  }
});

test('each case of the contract suite has an id and a title of its own', () => {
  const all = contractSuite.flatMap((group) => group.cases);
  expect(cases.size).toBe(all.length);
  expect(new Set(all.map(({ title }) => title)).size).toBe(all.length);
});
