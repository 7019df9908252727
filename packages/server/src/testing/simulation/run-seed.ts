import { MISTAKES, type MistakeName } from './mistakes.ts';
import { QUEUED_MISTAKES, type QueuedMistakeName } from './queued-mistakes.ts';
import { simulate } from './simulate.ts';

// One seed with everything that happened in it:
//   node --conditions=@semel/source packages/server/src/testing/simulation/run-seed.ts 4711 ['a planted mistake'] [--queued]
const queued = process.argv.includes('--queued');
const [seed = '1', name] = process.argv.slice(2).filter((argument) => argument !== '--queued');
const mistake = queued ? QUEUED_MISTAKES[name as QueuedMistakeName] : MISTAKES[name as MistakeName];
const report = await simulate(Number(seed), {
  logging: true,
  queued,
  ...(name === undefined ? undefined : { mistake }),
});
process.stdout.write(`${report.log.join('\n')}\n`);
process.exitCode = report.violation === undefined ? 0 : 1;
