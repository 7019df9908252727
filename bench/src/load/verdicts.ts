import type { Answered } from './open-loop.ts';
import type { Slice } from './seconds.ts';

export interface Verdict {
  readonly claim: string;
  readonly found: string;
  readonly holds: boolean;
}

/** An answer is early if a client would still be waiting for it. */
const EARLY_MS = 1_000;

/** What the database says about everything that was ever sent. */
export function booksBalance(
  answers: readonly Answered[],
  effects: ReadonlyMap<string, readonly string[]>,
): Verdict[] {
  const acknowledged = answers.filter(({ status }) => status === 200);
  const lost = acknowledged.filter(({ key, body }) => {
    const ids = effects.get(key) ?? [];
    return !ids.some((id) => body.includes(id));
  });
  const twice = [...effects.values()].filter((ids) => ids.length > 1);
  return [
    {
      claim: 'what was acknowledged is in the database, with the id that was answered',
      found: `${lost.length} lost of ${acknowledged.length}`,
      holds: lost.length === 0,
    },
    {
      claim: 'nothing happened twice',
      found: `${twice.length} keys of ${effects.size}`,
      holds: twice.length === 0,
    },
  ];
}

export function overloadIsRefused(surge: readonly Answered[]): Verdict[] {
  const refused = surge.filter(({ status }) => status === 503);
  const bare = refused.filter(({ hasRetryAfter }) => !hasRetryAfter);
  const late = refused.filter(({ tookMs }) => tookMs > EARLY_MS);
  const other = surge.filter(({ status }) => status !== 200 && status !== 503);
  return [
    {
      claim: 'overload is answered 503 with Retry-After',
      found: `${refused.length} refused, ${bare.length} without, ${other.length} ended otherwise`,
      holds: refused.length > 0 && bare.length === 0 && other.length === 0,
    },
    {
      claim: `refusals come early: 99 of 100 within ${EARLY_MS} ms`,
      found: `${late.length} of ${refused.length} later`,
      holds: late.length <= refused.length / 100,
    },
  ];
}

/** Recovered: a second in which nothing is refused and the slowest are no slower than twice what they were before. */
export function recovers(steady: readonly Slice[], back: readonly Slice[]): Verdict {
  const before = steady.map(({ p99Ms }) => p99Ms).sort((a, b) => a - b);
  const usual = before[Math.floor(before.length / 2)] ?? Number.NaN;
  const limit = Math.max(2 * usual, 50);
  const at = back.findIndex(({ refused, other, p99Ms }) => refused === 0 && other === 0 && p99Ms <= limit);
  return {
    claim: `latency recovers by itself (p99 below ${limit.toFixed(0)} ms; ${usual.toFixed(0)} ms before)`,
    found: at === -1 ? 'not in the time it was given' : `in second ${at + 1} after the surge`,
    holds: at !== -1,
  };
}
