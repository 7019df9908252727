import type { Row } from '../row.ts';
import { VARIANTS } from '../variants.ts';

const CALLERS = 16;
const LINE = 46;
const TOP = 92;
const BARS_X = 210;
const BARS_WIDTH = 340;
const FAULTS_X = 590;
const FAULTS = ['duplicates', 'crash', 'lease-expiry', 'paused'] as const;
const FAULT_WIDTH = 82;
const WIDTH = FAULTS_X + FAULTS.length * FAULT_WIDTH + 10;

/** Rates against the bare handler, and beside them how often the effect of one key happened. Follows the reader's colour scheme. */
export function svg(rows: readonly Row[]): string {
  const lines = VARIANTS.flatMap((variant) => {
    const of = (scenario: Row['scenario'], name = variant.name) =>
      rows.find((row) => row.scenario === scenario && row.variant === name && row.callers === CALLERS);
    const first = of('first')?.ratio;
    const replay = of('replay', variant.replayName)?.ratio;
    const executions = FAULTS.map(
      (scenario) =>
        rows.find((row) => row.scenario === scenario && row.variant === variant.name)?.executionsPerKey,
    );
    return variant.unprotected ? [] : [{ variant, first, replay, executions }];
  });
  const most = Math.max(1, ...lines.flatMap(({ first, replay }) => [first ?? 0, replay ?? 0]));
  const scale = BARS_WIDTH / (Math.ceil(most * 2) / 2);
  const height = TOP + lines.length * LINE + 34;
  const bareX = BARS_X + scale;

  const bar = (y: number, ratio: number | null | undefined, kind: string) =>
    typeof ratio === 'number'
      ? `<rect class="${kind}" x="${BARS_X}" y="${y}" width="${(ratio * scale).toFixed(1)}" height="13" rx="2"/>` +
        `<text class="small" x="${(BARS_X + ratio * scale + 5).toFixed(1)}" y="${y + 11}">${ratio.toFixed(2)}</text>`
      : '';
  const body = lines.map(({ variant, first, replay, executions }, i) => {
    const y = TOP + i * LINE;
    const marks = executions.map((count, k) => {
      const x = FAULTS_X + (k + 0.5) * FAULT_WIDTH;
      if (typeof count !== 'number') return '';
      return `<text class="count ${count === 1 ? 'right' : 'wrong'}" x="${x}" y="${y + 20}">${Math.round(count * 100) / 100}</text>`;
    });
    return (
      `<text class="name${variant.ours ? ' ours' : ''}" x="${BARS_X - 12}" y="${y + 20}">${variant.name}</text>` +
      bar(y, first, variant.ours ? 'first own' : 'first') +
      bar(y + 16, replay, variant.ours ? 'replay own' : 'replay') +
      marks.join('')
    );
  });

  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="Rates over HTTP at ${CALLERS} callers relative to the bare handler, and executions per key under duplicates and faults">
<style>
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .small { font-size: 11px; fill: #59636e; }
  .name { text-anchor: end; } .ours { font-weight: 700; }
  .count { text-anchor: middle; font-weight: 700; } .head { text-anchor: middle; font-size: 11px; fill: #59636e; }
  .title { font-weight: 600; }
  .first { fill: #8c959f; } .replay { fill: #c3c9d0; } .first.own { fill: #0969da; } .replay.own { fill: #80b3ec; }
  .right { fill: #1a7f37; } .wrong { fill: #cf222e; } .line { stroke: #59636e; stroke-dasharray: 3 3; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .small, .head { fill: #9198a1; }
    .first { fill: #8b949e; } .replay { fill: #545d68; } .first.own { fill: #4493f8; } .replay.own { fill: #1f5293; }
    .right { fill: #3fb950; } .wrong { fill: #f85149; } .line { stroke: #9198a1; }
  }
</style>
<text class="title" x="${BARS_X}" y="22">Rate over HTTP, ${CALLERS} callers, bare handler = 1</text>
<rect class="first" x="${BARS_X}" y="36" width="13" height="13" rx="2"/><text class="small" x="${BARS_X + 18}" y="47">first execution</text>
<rect class="replay" x="${BARS_X + 120}" y="36" width="13" height="13" rx="2"/><text class="small" x="${BARS_X + 138}" y="47">replay</text>
<text class="small" x="${bareX}" y="${TOP - 12}" text-anchor="middle">bare</text>
<line class="line" x1="${bareX}" y1="${TOP - 6}" x2="${bareX}" y2="${height - 30}"/>
<text class="title" x="${FAULTS_X}" y="22">Executions per key (1 is right)</text>
${FAULTS.map((name, k) => `<text class="head" x="${FAULTS_X + (k + 0.5) * FAULT_WIDTH}" y="${TOP - 12}">${name}</text>`).join('\n')}
${body.join('\n')}
<text class="small" x="12" y="${height - 10}">Ratios of one interleaved run on one machine. Versions, configuration and promises: performance.md.</text>
</svg>
`;
}
