import type { Finding, InspectReport, Severity } from '@semel/server/inspect';
import { count } from '../terminal/ages.ts';
import { painter } from '../terminal/paint.ts';

const TITLE: Readonly<Record<Severity, string>> = { error: 'Errors', warning: 'Warnings', advice: 'Advice' };
const COLOUR = { error: 'red', warning: 'yellow', advice: 'cyan' } as const;

/** For people: by severity, and within it what has the same reason together. */
export function renderReport(report: InspectReport, options: { readonly colours: boolean }): string {
  const paint = painter(options);
  const { findings, summary, unseen } = report;
  const lines: string[] = [];
  for (const severity of ['error', 'warning', 'advice'] as const) {
    const open = findings.filter((one) => one.severity === severity && one.accepted === undefined);
    if (open.length === 0) continue;
    lines.push(paint(['bold', COLOUR[severity]], TITLE[severity]), '');
    for (const group of byCode(open)) {
      const [{ code, why, instead, docs }] = group;
      lines.push(`  ${paint(COLOUR[severity], code)}`);
      for (const { procedure, what } of group) lines.push(`    ${paint('bold', procedure)} ${what}`);
      lines.push(`    Why: ${why}`, `    Instead: ${instead}`, paint('dim', `    ${docs}`), '');
    }
  }
  const accepted = findings.filter((one) => one.accepted !== undefined);
  if (accepted.length > 0) {
    lines.push(paint('bold', 'Accepted'), '');
    for (const one of accepted) lines.push(`  ${one.code} ${one.procedure}: ${one.accepted}`);
    lines.push('');
  }
  if (unseen.length > 0) {
    lines.push(paint('bold', 'Not looked into'), '');
    for (const { procedure, what } of unseen) lines.push(`  ${procedure}: ${what}`);
    lines.push('');
  }
  const counts = [
    count(summary.error, 'error'),
    count(summary.warning, 'warning'),
    `${summary.advice} advice`,
    ...(summary.accepted > 0 ? [`${summary.accepted} accepted`] : []),
  ];
  const looked = `${count(summary.mutations, 'mutation')}, ${summary.protected} protected`;
  lines.push(`${looked}: ${counts.join(', ')}`);
  return `${lines.join('\n')}\n`;
}

type Group = readonly [Finding, ...Finding[]];

/** In the report's order. */
function byCode(findings: readonly Finding[]): Group[] {
  const groups = new Map<string, [Finding, ...Finding[]]>();
  for (const one of findings) {
    const group = groups.get(one.code);
    if (group === undefined) groups.set(one.code, [one]);
    else group.push(one);
  }
  return [...groups.values()];
}
