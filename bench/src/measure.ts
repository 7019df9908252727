import { interleave, type Sample } from './harness/interleave.ts';
import { closedLoop, ownCpuUs } from './harness/round.ts';

export { median, type Sample } from './harness/interleave.ts';

/** One way of doing the same work in this process. `call` does one unit; i is unique within the variant. */
export interface Variant {
  readonly name: string;
  readonly call: (i: number) => Promise<unknown>;
}

/** Units done so far by variant: their keys must not repeat from one measurement to the next. */
const counters = new Map<string, number>();

/** Variants of this process, interleaved; the first is what the others are compared with. */
export function measure(
  variants: readonly Variant[],
  options: {
    readonly callers: number;
    readonly rounds: number;
    readonly roundMs: number;
    readonly onRound?: (round: number) => void;
  },
): Promise<Sample[]> {
  const against = variants[0]?.name ?? '';
  return interleave(
    variants.map(({ name, call }) => ({
      name,
      against,
      round: (callers, ms) =>
        closedLoop({
          callers,
          ms,
          cpu: ownCpuUs,
          async call() {
            const i = counters.get(name) ?? 0;
            counters.set(name, i + 1);
            await call(i);
            return true;
          },
        }),
    })),
    options,
  );
}
