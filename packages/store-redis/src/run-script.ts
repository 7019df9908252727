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

export interface Runner {
  readonly run: Run;
  /** Sends what was run since this event began, instead of waiting for what else comes of it. */
  sendNow(): void;
}

/** No answer in time. */
export class TimedOut extends Error {
  override readonly name = 'TimedOut';
  constructor(timeoutMs: number) {
    super(`Redis didn't answer within ${timeoutMs} ms`);
  }
}

export function createRunner(client: ReturnType<typeof connect>, timeoutMs: number): Runner {
  const { hold, sendNow } = createTogether(client);
  const run: Run = (script, keys, args, deadline) =>
    new Promise((resolve, reject) => {
      hold();
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
  return { run, sendNow };
}

/**
 * What is sent while one event is handled leaves in one write. Nothing waits for longer than that. Node's streams do it; on a
 * Cluster each node has one of its own, and they are left alone.
 */
function createTogether(client: ReturnType<typeof connect>): { hold(): void; sendNow(): void } {
  let held: { uncork(): void } | undefined;
  function sendNow(): void {
    const stream = held;
    held = undefined;
    stream?.uncork();
  }
  return {
    hold() {
      const stream = 'stream' in client ? client.stream : undefined;
      if (held !== undefined || stream === undefined) return;
      held = stream;
      stream.cork();
      process.nextTick(sendNow);
    },
    sendNow,
  };
}
