import type { connect } from './connection.ts';
import type { Script } from './scripts/script.ts';

/**
 * Runs a script; by hash, and with its text where Redis has forgotten it. Rejects after the time-out, or at the deadline
 * (monotonic) of whoever waits longer already.
 */
export type Run = (
  script: Script,
  keys: number,
  args: readonly Argument[],
  deadline?: number,
) => Promise<unknown>;

type Argument = string | number;

/** No answer in time. */
export class TimedOut extends Error {
  override readonly name = 'TimedOut';
  constructor(timeoutMs: number) {
    super(`Redis didn't answer within ${timeoutMs} ms`);
  }
}

export function createRun(client: ReturnType<typeof connect>, timeoutMs: number): Run {
  const together = createTogether(client);
  return (script, keys, args, deadline) =>
    new Promise((resolve, reject) => {
      together();
      const late = (): void => reject(new TimedOut(timeoutMs));
      const leftMs = deadline === undefined ? timeoutMs : Math.max(0, deadline - performance.now());
      // Not before what has arrived was read: the one who was slow may have been this process.
      const timer = setTimeout(() => setImmediate(late), leftMs);
      const answered = (answer: unknown): void => {
        clearTimeout(timer);
        resolve(answer);
      };
      const failed = (error: unknown): void => {
        clearTimeout(timer);
        reject(error);
      };
      client.evalsha(script.sha, keys, ...args).then(answered, (error: unknown) => {
        if (error instanceof Error && error.message.startsWith('NOSCRIPT')) {
          client.eval(script.lua, keys, ...args).then(answered, failed);
        } else failed(error);
      });
    });
}

/**
 * What is sent while one event is handled leaves in one write. Nothing waits for longer than that. Node's streams do it; on a
 * Cluster each node has one of its own, and they are left alone.
 */
function createTogether(client: ReturnType<typeof connect>): () => void {
  let isCorked = false;
  return () => {
    const stream = 'stream' in client ? client.stream : undefined;
    if (isCorked || stream === undefined) return;
    isCorked = true;
    stream.cork();
    process.nextTick(() => {
      isCorked = false;
      stream.uncork();
    });
  };
}
