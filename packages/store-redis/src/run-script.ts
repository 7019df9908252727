import type { connect } from './connection.ts';
import type { Script } from './scripts/script.ts';

/**
 * Runs a script on its key; by hash, and with its text where Redis has forgotten it. Rejects after the time-out.
 */
export type Run = (script: Script, key: string, ...args: (string | number)[]) => Promise<unknown>;

export function createRun(client: ReturnType<typeof connect>, timeoutMs: number): Run {
  return (script, key, ...args) =>
    new Promise((resolve, reject) => {
      const late = (): void => reject(new Error(`Redis didn't answer within ${timeoutMs} ms`));
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
