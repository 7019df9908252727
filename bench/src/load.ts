import { parseArgs } from 'node:util';
import { inputOf, requestText } from './harness/request.ts';
import { openStage } from './harness/stage.ts';
import { type Answered, createOpenLoop } from './load/open-loop.ts';
import { slices } from './load/seconds.ts';
import { findSteadyRate } from './load/steady-rate.ts';
import { booksBalance, overloadIsRefused, recovers } from './load/verdicts.ts';
import { freshKeys } from './scenarios/live.ts';
import { VARIANTS } from './variants.ts';

/**
 * `npm run load [-- --steady 60 --surge 20 --back 20 --factor 4 --rate 0 --in-flight 100]` (seconds; rate 0: found out).
 * The highest steady rate of this machine, then a surge, then back: who is refused, how early, and whether the books
 * balance. Ends with 1 if something does not hold.
 */
const { values } = parseArgs({
  options: {
    steady: { type: 'string', default: '60' },
    surge: { type: 'string', default: '20' },
    back: { type: 'string', default: '20' },
    factor: { type: 'string', default: '4' },
    rate: { type: 'string', default: '0' },
    search: { type: 'string', default: '4' },
    'in-flight': { type: 'string', default: '100' },
    variant: { type: 'string', default: 'semel-atomic' },
  },
});
const seconds = (name: 'steady' | 'surge' | 'back' | 'search') => Number(values[name]) * 1000;
const tell = (line: string) => process.stderr.write(`${line}\n`);

const stage = await openStage(
  VARIANTS.filter(({ name }) => name === values.variant),
  tell,
);
const [entrant] = stage.entrants;
if (entrant === undefined) throw new Error(`There is no variant ${values.variant}`);
const server = await entrant.start({ maxInFlight: Number(values['in-flight']) });
const keys = freshKeys();
const loop = createOpenLoop(server.url, 4_000);
const given = {
  nextKey: () => keys.next(),
  request: (key: string) => requestText(entrant.variant.road, key, inputOf(key)),
};

const rate = Number(values.rate) || (await findSteadyRate({ ...given, loop, ms: seconds('search'), tell }));
const all: Answered[] = [];
const phase = async (name: string, factor: number, ms: number) => {
  const answers = await loop.run({ ...given, rate: rate * factor, ms });
  all.push(...answers);
  print(name, answers);
  return answers;
};
const steady = await phase('steady', 1, seconds('steady'));
const surge = await phase(`surge × ${values.factor}`, Number(values.factor), seconds('surge'));
const back = await phase('back', 1, seconds('back'));

// Whoever was refused asks again with the same key, as any client would.
const unanswered = all.filter(({ status }) => status !== 200).map(({ key }) => key);
const retried = await loop.run({
  request: given.request,
  nextKey: () => unanswered.pop() as string,
  rate: rate / 2,
  ms: (unanswered.length / (rate / 2)) * 1000,
});
print('the refused, again', retried);

const effects = await entrant.effectsByReference(keys.prefix);
loop.close();
await server.close();
await stage.close();

const verdicts = [
  ...overloadIsRefused(surge),
  recovers(slices(steady, 1), slices(back, 1)),
  ...booksBalance([...all, ...retried], effects),
];
for (const { claim, found, holds } of verdicts)
  console.log(`${holds ? 'holds' : 'DOES NOT HOLD'}: ${claim} (${found})`);
process.exitCode = verdicts.every(({ holds }) => holds) ? 0 : 1;

function print(name: string, answers: readonly Answered[]): void {
  console.log(`\n${name}\n  from s  offered/s     ok/s    503/s  other/s   p50 ms   p99 ms  503 p99 ms`);
  const lastS = Math.max(0, ...answers.map(({ dueMs }) => dueMs)) / 1000;
  for (const slice of slices(answers, lastS > 20 ? 5 : 1)) {
    const { fromS, offered, ok, refused, other, p50Ms, p99Ms, refusedP99Ms } = slice;
    const cells = [offered, ok, refused, other, p50Ms, p99Ms].map((value) => cell(value).padStart(9));
    console.log(`  ${String(fromS).padStart(6)}${cells.join('')}${cell(refusedP99Ms).padStart(12)}`);
  }
}

function cell(value: number): string {
  return Number.isNaN(value) ? '' : value.toFixed(0);
}
