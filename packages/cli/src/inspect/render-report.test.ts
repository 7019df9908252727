import { stripVTControlCharacters } from 'node:util';
import type { InspectReport } from '@semel/server/inspect';
import { expect, test } from 'vitest';
import { renderReport } from './render-report.ts';

const report: InspectReport = {
  version: 1,
  findings: [
    {
      code: 'missing_child_key',
      severity: 'advice',
      procedure: 'pay',
      what: 'looks like it',
      why: 'Because.',
      instead: 'That.',
      docs: 'docs#x',
    },
  ],
  summary: { mutations: 1, protected: 1, error: 0, warning: 0, advice: 1, accepted: 0 },
  unseen: [{ procedure: 'pay', what: 'charge() gets the operation' }],
};

test('where the look ended is said', () => {
  expect(renderReport(report, { colours: false })).toBe(`Advice

  missing_child_key
    pay looks like it
    Why: Because.
    Instead: That.
    docs#x

Not looked into

  pay: charge() gets the operation

1 mutation, 1 protected: 0 errors, 0 warnings, 1 advice
`);
});

test('colours change nothing but colours', () => {
  const painted = renderReport(report, { colours: true });
  expect(painted).toContain('\u001b[');
  expect(stripVTControlCharacters(painted)).toBe(renderReport(report, { colours: false }));
});
