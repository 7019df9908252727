import type { connect } from './connection.ts';
import type { Script } from './scripts/script.ts';

/**
 * Runs a script on its key; by hash, and with its text where Redis has forgotten it. Rejects after the time-out.
 */
export type Run = (script: Script, key: string, ...args: (string | number)[]) => Promise<unknown>;

/** No answer in time. */
export class TimedOut extends Error {
  override readonly name = 'TimedOut';
  constructor(timeoutMs: number) {
    super(`Redis didn't answer within ${timeoutMs} ms`);
  }
}

export function createRun(client: ReturnType<typeof connect>, timeoutMs: number): Run {
  const together = createTogether(client);
  return (script, key, ...args) =>
    new Promise((resolve, reject) => {
      together();
      const late = (): void => reject(new TimedOut(timeoutMs));
      // Not before what has arrived was read: the one who was slow may have been this process.
      const timer = setTimeout(() => setImmediate(late), timeoutMs);
      const answered = (answer: unknown): void => {
        clearTimeout(timer);
        resolve(answer);
      };
      const failed = (error: unknown): void => {
        clearTimeout(timer);
        reject(error);
      };
      client.evalsha(script.sha, 1, key, ...args).then(answered, (error: unknown) => {
        if (error instanceof Error && error.message.startsWith('NOSCRIPT')) {
          client.eval(script.lua, 1, key, ...args).then(answered, failed);
        } else failed(error);
      });
    });
}

/**
 * What is sent while one event is handled leaves in one write: 16 callers whose answers came together ask again together.
 * Nothing waits for longer than that. Node's streams do it; on a Cluster each node has one of its own, and they are left alone.
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
