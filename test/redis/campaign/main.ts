// `npm run campaign:redis [-- --short --seed 7]`: Redis broken in every way under load, Postgres killed in between. Prints what
// was seen and ends with 1 if anything ran twice, was lost, contradicted itself or got stuck.
import { parseArgs } from 'node:util';
import { runCampaign } from './campaign.ts';
import { LONG, SHORT } from './plans.ts';
import { tableOf, verdictOf } from './report.ts';

const { short, seed } = parseArgs({
  options: { short: { type: 'boolean', default: false }, seed: { type: 'string', default: '1' } },
}).values;

// What was started ends with this process, and that has to end the ordinary way.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

const startedAt = performance.now();
const result = await runCampaign({
  ...(short ? SHORT : LONG),
  seed: Number(seed),
  tell: (line) =>
    process.stderr.write(`${((performance.now() - startedAt) / 1000).toFixed(0).padStart(4)} s  ${line}\n`),
});
console.log(tableOf(result.struck));
const { text, isWell } = verdictOf(result);
console.log(text);
process.exit(isWell ? 0 : 1);
