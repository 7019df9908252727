import { openConnection } from '../harness/connection.ts';
import { quantile } from '../harness/interleave.ts';
import { inputOf, requestText } from '../harness/request.ts';
import { freshKeys, type Live } from '../scenarios/live.ts';
import { oneByOne } from '../scenarios/over-http.ts';

const CALLERS = 16;

/**
 * Within how many milliseconds 99 of 100 replays are answered by a server that has time: calls come evenly, and one that the
 * call before it held up is timed from when it was due. The load generator's own time is in it.
 */
export async function p99OfUnhurried(
  { entrant, server }: Live,
  { perSecond, ms, hot }: { readonly perSecond: number; readonly ms: number; readonly hot: number },
): Promise<number> {
  const keys = freshKeys(hot);
  await oneByOne(entrant, server, keys, hot);
  const connections = await Promise.all(Array.from({ length: CALLERS }, () => openConnection(server.url)));
  const times: number[] = [];
  const between = 1000 / perSecond;
  const startedAt = performance.now();
  await Promise.all(
    connections.map(async (connection, caller) => {
      for (let n = caller; n * between < ms; n += CALLERS) {
        const due = startedAt + n * between;
        let from = due; // held up by the one before: that counts
        if (performance.now() < due) {
          await new Promise((resolve) => setTimeout(resolve, due - performance.now()));
          from = performance.now(); // a timer is late by itself: that doesn't
        }
        const key = keys.next();
        const { status } = await connection.send(requestText(entrant.variant.road, key, inputOf(key)));
        if (status >= 300) throw new Error(`${entrant.variant.name} answered ${status}`);
        times.push(performance.now() - from);
      }
    }),
  );
  for (const connection of connections) connection.close();
  times.sort((a, b) => a - b);
  return quantile(times, 0.99);
}
