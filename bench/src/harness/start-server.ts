import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Drive, Driven, Order, Report, ServerOptions } from './order.ts';

export interface Server {
  readonly url: string;
  /** Whether `drive` can be used. */
  readonly canCall: boolean;
  /** Microseconds of CPU used so far. */
  cpu(): Promise<number>;
  drive(drive: Drive): Promise<Driven>;
  /** Settles once a handler of an armed server has made its effect and waits to be killed. */
  reached(reference: string): Promise<void>;
  kill(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void;
  readonly exited: Promise<void>;
  close(): Promise<void>;
}

type Asked = Order extends infer O ? (O extends Order ? Omit<O, 'id'> : never) : never;

/** Starts a variant in a process of its own. @throws what it printed, when it can't start */
export async function startServer(options: ServerOptions): Promise<Server> {
  const child = fork(fileURLToPath(new URL('./server.ts', import.meta.url)), [JSON.stringify(options)], {
    execArgv: ['--conditions=@semel/source', '--no-warnings'],
    env: { ...process.env, NODE_ENV: 'production' },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    serialization: 'advanced',
  });
  let complaint = '';
  child.stderr?.on('data', (data: Buffer) => {
    complaint = (complaint + data.toString()).slice(-4000);
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const asked = new Map<number, (report: Extract<Report, { done: number }>) => void>();
  const seen = new Set<string>();
  const watchers = new Map<string, () => void>();
  let lastId = 0;

  const ready = await new Promise<Extract<Report, { url: string }>>((resolve, reject) => {
    child.once('exit', () => reject(new Error(`${options.variant} did not start:\n${complaint}`)));
    child.on('message', (report: Report) => {
      if ('url' in report) resolve(report);
      else if ('reached' in report) {
        seen.add(report.reached);
        watchers.get(report.reached)?.();
      } else {
        asked.get(report.done)?.(report);
        asked.delete(report.done);
      }
    });
  });

  const ask = (order: Asked): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const id = ++lastId;
      asked.set(id, ({ result, error }) =>
        error === undefined ? resolve(result) : reject(new Error(error)),
      );
      void exited.then(() => reject(new Error(`${options.variant} is gone:\n${complaint}`)));
      child.send({ ...order, id });
    });

  return {
    url: ready.url,
    canCall: ready.canCall,
    exited,
    cpu: () => ask({ do: 'cpu' }) as Promise<number>,
    drive: (drive) => ask({ do: 'drive', ...drive }) as Promise<Driven>,
    reached: (reference) =>
      seen.has(reference) ? Promise.resolve() : new Promise((resolve) => watchers.set(reference, resolve)),
    kill: (signal) => void child.kill(signal),
    async close() {
      // A peer that can't end must not hold up the others.
      const patience = setTimeout(() => child.kill('SIGKILL'), 3_000);
      await ask({ do: 'close' }).catch(() => {});
      if (child.connected) child.disconnect();
      await exited;
      clearTimeout(patience);
    },
  };
}
