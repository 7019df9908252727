import type { CaseResult } from './run.ts';

export const REPORTS = ['text', 'junit', 'json'] as const;
export type ReportKind = (typeof REPORTS)[number];

export interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export function totalsOf(results: readonly CaseResult[]): Totals {
  const count = (outcome: CaseResult['outcome']) =>
    results.filter((result) => result.outcome === outcome).length;
  return { passed: count('passed'), failed: count('failed'), skipped: count('skipped') };
}

/** The results as a text for people, an XML file for CI servers (JUnit), or an object for programs. */
export function reportOf(kind: ReportKind, server: string, results: readonly CaseResult[]): string {
  if (kind === 'json') return `${JSON.stringify({ server, totals: totalsOf(results), results }, null, 2)}\n`;
  return kind === 'junit' ? junit(server, results) : text(server, results);
}

function text(server: string, results: readonly CaseResult[]): string {
  const { passed, failed, skipped } = totalsOf(results);
  const lines = [server, ''];
  for (const result of results) {
    if (result.outcome !== 'failed') continue;
    lines.push(`FAILED ${result.id}: ${result.title}`);
    lines.push(...result.message.split('\n').map((line) => `       ${line}`));
    lines.push(`       asked for by: ${result.sources.join('; ')}`, '');
  }
  const skippedBy = new Map<string, string[]>();
  for (const result of results) {
    if (result.outcome !== 'skipped') continue;
    skippedBy.set(result.reason, [...(skippedBy.get(result.reason) ?? []), result.id]);
  }
  for (const [reason, ids] of skippedBy) lines.push(`skipped ${ids.join(', ')}: ${reason}`);
  if (skippedBy.size > 0) lines.push('');
  lines.push(`${passed} passed, ${failed} failed, ${skipped} skipped`, '');
  return lines.join('\n');
}

function junit(server: string, results: readonly CaseResult[]): string {
  const { failed, skipped } = totalsOf(results);
  const seconds = (ms: number) => (ms / 1000).toFixed(3);
  const total = results.reduce((sum, { ms }) => sum + ms, 0);
  const cases = results.map((result) => {
    const head = `    <testcase classname="${xml(result.subject)}" name="${xml(`${result.id}: ${result.title}`)}" time="${seconds(result.ms)}"`;
    if (result.outcome === 'passed') return `${head}/>`;
    const body =
      result.outcome === 'skipped'
        ? `<skipped message="${xml(result.reason)}"/>`
        : `<failure message="${xml(result.message.split('\n')[0] ?? '')}">${xml(result.message)}</failure>`;
    return `${head}>\n      ${body}\n    </testcase>`;
  });
  const counts = `tests="${results.length}" failures="${failed}" errors="0" skipped="${skipped}" time="${seconds(total)}"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${counts}>`,
    `  <testsuite name="${xml(server)}" ${counts}>`,
    ...cases,
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

/** Without what XML 1.0 can't say at all. */
function xml(text: string): string {
  return text
    .replace(/[^\t\n\r -\ud7ff\ue000-\ufffd]/g, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll('\n', '&#10;');
}
