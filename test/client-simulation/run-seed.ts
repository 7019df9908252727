import { MISTAKES, type MistakeName } from './mistakes.ts';
import type { Profile } from './profile.ts';
import { simulate } from './simulate.ts';

// One seed with everything that happened in it:
//   node --conditions=@semel/source test/client-simulation/run-seed.ts 4711 queued ['a planted mistake']
const [seed = '1', profile = 'link', name] = process.argv.slice(2);
const mistake = MISTAKES[name as MistakeName];
const report = await simulate(Number(seed), {
  logging: true,
  profile: profile as Profile,
  ...(name === undefined ? undefined : { mistake }),
});
process.stdout.write(`${report.log.join('\n')}\n`);
process.exitCode = report.violation === undefined ? 0 : 1;
