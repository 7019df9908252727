import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { EngineRow } from './engine.ts';
import type { Peer } from './peers/peer.ts';
import { fullPlan, quickPlan, ratesPlan } from './plan.ts';
import { replays } from './redis/replays.ts';
import { conditions } from './report/conditions.ts';
import { document } from './report/document.ts';
import { goals } from './report/goals.ts';
import { svg } from './report/svg.ts';
import { terminalTable } from './report/terminal.ts';
import type { Row } from './row.ts';
import { type Output, run } from './run.ts';
import { VARIANTS } from './variants.ts';

/**
 * `npm run bench [-- --quick --rates --json --only bare,semel-atomic]`: ours beside published alternatives, interleaved in one
 * run; `--only redis` is what answers replays from Redis and the process, `--only client` what the client costs. Compare the ratios of
 * a run, never its absolute figures with another machine's. Only a full run of all variants writes the documents.
 */
const { quick, rates, json, only } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rates: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    only: { type: 'string' },
  },
}).values;
const variants = VARIANTS.filter(({ name, group }) =>
  only === undefined ? group === undefined : only.split(',').includes(name),
);
const plan = quick ? quickPlan : rates ? ratesPlan : fullPlan;
const tell = (line: string) =>
  process.stderr.write(`${(performance.now() / 1000).toFixed(0).padStart(4)} s  ${line}\n`);

if (only === 'client') {
  await import('./client.ts');
  process.exit();
}

if (only === 'redis') {
  const { rows, comparisons } = await replays(plan, tell);
  console.log(json ? JSON.stringify({ rows, comparisons }) : terminalTable(rows));
  for (const { claim, measured, wanted } of comparisons) {
    const holds = 'least' in wanted ? measured >= wanted.least : measured <= wanted.most;
    const bound = 'least' in wanted ? `least ${wanted.least}` : `most ${wanted.most}`;
    tell(`${holds ? 'holds' : 'DOES NOT HOLD'}: ${claim}: ${measured.toFixed(2)}, ${bound}`);
  }
  process.exit();
}

const rows: Row[] = [];
const engineRows: EngineRow[] = [];
// The promise of a quick run is its length: on a machine that is too busy the last rows are missing, and it says so.
const cut = setTimeout(() => {
  tell('out of time: what is missing from here on was not measured');
  print();
  process.exit();
}, plan.endMs);
const output: Output = {
  tell,
  add: (more) => rows.push(...more),
  addEngine: (more) => engineRows.push(...more),
};
const services = await run(plan, output, variants);
clearTimeout(cut);
print();
if (plan === fullPlan && only === undefined) await write();

function print(): void {
  console.log(json ? JSON.stringify({ rows }) : terminalTable(rows));
}

async function write(): Promise<void> {
  const peers = new Map<string, Peer>();
  for (const { name, load } of VARIANTS) peers.set(name, await load());
  const durable = new Set([...peers].filter(([, peer]) => peer.durable).map(([name]) => name));
  const judged = goals(rows, durable);
  const folder = new URL('../../docs/reference/', import.meta.url);
  const text = document({ rows, engine: engineRows, peers, goals: judged, conditions: conditions(services) });
  writeFileSync(new URL('performance.md', folder), text);
  writeFileSync(new URL('performance.svg', folder), svg(rows));
  for (const { claim, measured, holds } of judged)
    tell(`${holds ? 'holds' : 'DOES NOT HOLD'}: ${claim} (${measured})`);
}
