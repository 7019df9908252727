import { type Connection, headerOf, openConnection, type Reply } from '../harness/connection.ts';

/** What became of one request. */
export interface Answered {
  readonly key: string;
  /** When it was due, in milliseconds since the phase began. */
  readonly dueMs: number;
  /** From when it was due, not from when it left: a sluggish server can't hide behind a sender that waits for it. */
  readonly tookMs: number;
  /** 0: the connection broke. */
  readonly status: number;
  readonly hasRetryAfter: boolean;
  readonly body: string;
}

export interface OpenLoop {
  /** Requests at a steady rate, whatever becomes of them. @returns when the last has been answered */
  run(options: {
    readonly rate: number;
    readonly ms: number;
    readonly nextKey: () => string;
    readonly request: (key: string) => string;
  }): Promise<Answered[]>;
  close(): void;
}

/** Looks for what is due so often: finer than this timers aren't. */
const TICK_MS = 2;

/** A crowd that doesn't wait for each other: a request that finds no idle connection opens one. */
export function createOpenLoop(url: string, maxConnections: number): OpenLoop {
  const idle: Connection[] = [];
  const waiting: ((connection: Connection) => void)[] = [];
  let open = 0;

  async function take(): Promise<Connection> {
    const connection = idle.pop();
    if (connection !== undefined) return connection;
    if (open < maxConnections) {
      open++;
      return openConnection(url).catch((error: unknown) => {
        open--;
        throw error;
      });
    }
    return new Promise((resolve) => waiting.push(resolve));
  }
  function giveBack(connection: Connection): void {
    const next = waiting.shift();
    if (next === undefined) idle.push(connection);
    else next(connection);
  }
  async function exchange(request: string): Promise<Reply> {
    const connection = await take();
    try {
      const reply = await connection.send(request);
      giveBack(connection);
      return reply;
    } catch (error) {
      open--;
      const next = waiting.shift();
      if (next !== undefined) take().then(next, () => {});
      throw error;
    }
  }

  return {
    async run({ rate, ms, nextKey, request }) {
      const answers: Answered[] = [];
      const sent: Promise<void>[] = [];
      const startedAt = performance.now();
      const send = async (dueMs: number): Promise<void> => {
        const key = nextKey();
        const reply = await exchange(request(key)).catch(() => ({ status: 0, head: '', tail: '' }));
        const tookMs = performance.now() - startedAt - dueMs;
        const hasRetryAfter = headerOf(reply.head, 'retry-after') !== undefined;
        answers.push({ key, dueMs, tookMs, status: reply.status, hasRetryAfter, body: reply.tail });
      };
      const total = Math.round((rate * ms) / 1000);
      for (let n = 0; n < total; ) {
        const now = performance.now() - startedAt;
        for (; n < total && (n * 1000) / rate <= now; n++) sent.push(send((n * 1000) / rate));
        await new Promise((resolve) => setTimeout(resolve, TICK_MS));
      }
      await Promise.all(sent);
      return answers;
    },
    close() {
      for (const connection of idle) connection.close();
    },
  };
}
