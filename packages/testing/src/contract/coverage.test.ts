import { expect, test } from 'vitest';
import { coverage } from './coverage.ts';
import { contractSuite } from './suite.ts';

const cases = contractSuite.flatMap((group) => group.cases);
const casesOf = (by: string) =>
  cases.filter(({ id }) => (by.endsWith('…') ? id.startsWith(by.slice(0, -1)) : id === by));

test('the table has each of the 156 scenarios of published suites and the 30 of none, once', () => {
  const expected = [
    ...Array.from({ length: 156 }, (_, i) => `S${i + 1}`),
    ...Array.from({ length: 30 }, (_, i) => `N${i + 1}`),
  ];
  expect(coverage.map(({ scenario }) => scenario)).toEqual(expected);
});

test('each scenario is asked for by cases that exist, or says why none can', () => {
  for (const { scenario, by, because } of coverage) {
    expect([by, because].filter(Boolean), scenario).toHaveLength(1);
    for (const each of by ?? []) expect(casesOf(each), `${scenario} by ${each}`).not.toEqual([]);
    if (because !== undefined) expect(because.length, scenario).toBeGreaterThan(10);
  }
});

test('each scenario that a case cites is not said to be out of reach, and each case belongs to one or to WIRE.md', () => {
  const outOfReach = new Set(coverage.filter(({ because }) => because).map(({ scenario }) => `${scenario}`));
  const asked = new Set(coverage.flatMap(({ by = [] }) => by.flatMap(casesOf).map(({ id }) => id)));
  for (const { id, sources } of cases) {
    expect(sources, id).not.toEqual([]);
    expect(
      sources.filter((source) => outOfReach.has(source)),
      id,
    ).toEqual([]);
    if (!asked.has(id)) expect(sources.join(), id).toContain('WIRE');
  }
});
