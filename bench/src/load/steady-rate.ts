import { quantile } from '../harness/interleave.ts';
import type { Answered, OpenLoop } from './open-loop.ts';

/** A rate is steady if nothing is refused and nearly everything is answered within this. */
const STEADY_P99_MS = 250;

export const isSteady = (answers: readonly Answered[]): boolean =>
  answers.every(({ status }) => status === 200) &&
  quantile(
    answers.map(({ tookMs }) => tookMs).sort((a, b) => a - b),
    0.99,
  ) <= STEADY_P99_MS;

/** The highest rate, a request a second, that the server holds for so long: upwards until it doesn't, then back by tenths. */
export async function findSteadyRate(options: {
  readonly loop: OpenLoop;
  readonly ms: number;
  readonly nextKey: () => string;
  readonly request: (key: string) => string;
  readonly tell: (line: string) => void;
}): Promise<number> {
  const holds = async (rate: number): Promise<boolean> => {
    const answers = await options.loop.run({ ...options, rate });
    const steady = isSteady(answers);
    options.tell(`${rate.toFixed(0)} per s: ${steady ? 'steady' : 'too much'}`);
    return steady;
  };
  let rate = 100;
  while (await holds(rate * 1.5)) rate *= 1.5;
  for (let factor = 1.4; factor > 1; factor -= 0.1) {
    if (await holds(rate * factor)) return rate * factor;
  }
  while (!(await holds(rate))) {
    rate *= 0.9;
    if (rate < 10) throw new Error('This machine holds no rate at all: it is too busy');
  }
  return rate;
}
