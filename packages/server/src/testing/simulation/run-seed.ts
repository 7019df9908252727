import { MISTAKES, type MistakeName } from './mistakes.ts';
import { simulate } from './simulate.ts';

// One seed with everything that happened in it:
//   node --conditions=@semel/source packages/server/src/testing/simulation/run-seed.ts 4711 ['a planted mistake']
const [seed = '1', mistake] = process.argv.slice(2);
const report = await simulate(Number(seed), {
  logging: true,
  ...(mistake === undefined ? undefined : { mistake: MISTAKES[mistake as MistakeName] }),
});
process.stdout.write(`${report.log.join('\n')}\n`);
process.exitCode = report.violation === undefined ? 0 : 1;
