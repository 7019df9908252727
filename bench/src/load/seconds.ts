import { quantile } from '../harness/interleave.ts';
import type { Answered } from './open-loop.ts';

/** What was due within one second (or so many). */
export interface Slice {
  readonly fromS: number;
  readonly offered: number;
  readonly ok: number;
  readonly refused: number;
  readonly other: number;
  /** Of successes. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of refusals: how early they came. */
  readonly refusedP99Ms: number;
}

export function slices(answers: readonly Answered[], seconds: number): Slice[] {
  const found: Slice[] = [];
  const last = Math.max(0, ...answers.map(({ dueMs }) => dueMs));
  for (let fromS = 0; fromS * 1000 <= last; fromS += seconds) {
    const own = answers.filter(({ dueMs }) => dueMs >= fromS * 1000 && dueMs < (fromS + seconds) * 1000);
    const took = (wanted: (status: number) => boolean) =>
      own
        .filter(({ status }) => wanted(status))
        .map(({ tookMs }) => tookMs)
        .sort((a, b) => a - b);
    const ok = took((status) => status === 200);
    const refused = took((status) => status === 503);
    found.push({
      fromS,
      offered: own.length / seconds,
      ok: ok.length / seconds,
      refused: refused.length / seconds,
      other: (own.length - ok.length - refused.length) / seconds,
      p50Ms: quantile(ok, 0.5),
      p99Ms: quantile(ok, 0.99),
      refusedP99Ms: quantile(refused, 0.99),
    });
  }
  return found;
}
