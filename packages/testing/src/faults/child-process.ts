import type { ChildProcess, Serializable } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createMailbox } from './mailbox.ts';
import { spawnTied } from './tied-spawn.ts';

export interface StartChildOptions {
  /** A module that Node can run: a path, or a file URL such as `new URL('./server.ts', import.meta.url)`. */
  readonly file: string | URL;
  readonly args?: readonly string[];
  /** Added to this process's environment; `undefined` removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Export conditions. @default ['@semel/source']: workspace packages run from source */
  readonly conditions?: readonly string[];
  /** More options for Node itself, before the file. */
  readonly nodeArgs?: readonly string[];
  /**
   * The line on standard output that says that the child is ready.
   * @default a line, or an IPC message, that is a JSON object with `"ready": true`
   */
  readonly ready?: RegExp;
  /** Milliseconds. @default 60 000: a machine that is busy elsewhere takes its time */
  readonly readyTimeoutMs?: number;
}

export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A Node process of its own, ready for work. `From` and `To` are the IPC messages: checked by no one. */
export interface Child<From = unknown, To extends Serializable = Serializable> {
  readonly pid: number;
  /** What it said when it became ready: the JSON object, or `{ line }` where `ready` was a pattern. */
  readonly ready: Readonly<Record<string, unknown>>;
  /** Settles when the process is gone; never rejects. */
  readonly exited: Promise<ChildExit>;
  /** The end of what it wrote to both outputs, at most 16 KB. */
  output(): string;
  /** SIGKILL: no handler runs, nothing is flushed. Works on a stopped process too. */
  kill(): Promise<ChildExit>;
  /** SIGTERM: asks it to finish. The promise waits as long as it takes. */
  terminate(): Promise<ChildExit>;
  /** SIGSTOP. When this resolves (on Linux) every thread stands still: a garbage collection that never ends. */
  stop(): Promise<void>;
  /** SIGCONT: carries on as if no time had passed. */
  cont(): void;
  send(message: To): void;
  /**
   * The next message (also one that came before the call and that nobody took), or the next that matches.
   * Rejects when the process exits first. Waits as long as it takes.
   */
  message(match?: (message: From) => boolean): Promise<From>;
}

/**
 * Starts a Node process and waits until it says that it is ready. It dies with this process, however this
 * process dies (Linux: by the kernel; elsewhere within 250 ms, if it isn't stopped).
 *
 * @throws if it exits, can't be started, or isn't ready in time (it is then killed); the message has its output
 */
export async function startChild<From = unknown, To extends Serializable = Serializable>(
  options: StartChildOptions,
): Promise<Child<From, To>> {
  const { conditions = ['@semel/source'], nodeArgs = [], args = [] } = options;
  const file = typeof options.file === 'string' ? options.file : fileURLToPath(options.file);
  const env = { ...process.env, ...options.env };
  const flags = conditions.map((condition) => `--conditions=${condition}`);
  const child = spawnTied([...flags, ...nodeArgs, file, ...args], env, options.cwd);

  const output = capture(child);
  const exited = new Promise<ChildExit>((resolve) => {
    // 'close', not 'exit': by then all output was read. A process that never began has no 'exit'.
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  const inbox = createMailbox<From>();
  void exited.then((exit) => inbox.close(new Error(`the child is gone (${describe(exit)}): ${output()}`)));

  const ready = await waitUntilReady(child, inbox.put, exited, options).catch(async (error: Error) => {
    child.kill('SIGKILL');
    await exited;
    throw new Error(`${file} ${error.message}\n${output()}`);
  });

  const signal = (name: NodeJS.Signals) => {
    child.kill(name);
    return exited;
  };
  return {
    pid: child.pid ?? 0,
    ready,
    exited,
    output,
    kill: () => signal('SIGKILL'),
    terminate: () => signal('SIGTERM'),
    stop: async () => {
      child.kill('SIGSTOP');
      while (child.exitCode === null && child.signalCode === null && !isStopped(child.pid)) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    },
    cont: () => void child.kill('SIGCONT'),
    send: (message) => void child.send(message),
    message: (match) => inbox.take(match),
  };
}

const describe = ({ code, signal }: ChildExit) => (signal ? `signal ${signal}` : `exit code ${code}`);

function capture(child: ChildProcess): () => string {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (part: string) => {
      text = (text + part).slice(-16_384);
    });
  }
  return () => text;
}

function waitUntilReady<From>(
  child: ChildProcess,
  put: (message: From) => void,
  exited: Promise<ChildExit>,
  { ready: pattern, readyTimeoutMs = 60_000 }: StartChildOptions,
): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`was not ready within ${readyTimeoutMs} ms`)),
      readyTimeoutMs,
    );
    let isReady = false;
    const settle = (said: Record<string, unknown>) => {
      clearTimeout(timer);
      isReady = true;
      resolve(said);
    };
    if (child.stdout) {
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (isReady) return;
        if (pattern ? pattern.test(line) : isReadyObject(parse(line)))
          settle(pattern ? { line } : parse(line));
      });
    }
    child.on('message', (message) => {
      if (!isReady && !pattern && isReadyObject(message)) settle(message);
      else put(message as From);
    });
    child.once('error', (error) => reject(new Error(`could not be started: ${error.message}`)));
    void exited.then((exit) => {
      clearTimeout(timer);
      reject(new Error(`ended before it was ready (${describe(exit)})`));
    });
  });
}

const parse = (line: string): Record<string, unknown> => {
  try {
    return JSON.parse(line);
  } catch {
    return {}; // ordinary output
  }
};

const isReadyObject = (said: unknown): said is Record<string, unknown> =>
  typeof said === 'object' && said !== null && 'ready' in said && said.ready === true;

/** Linux only; elsewhere a signal just sent counts as delivered. */
const isStopped = (pid: number | undefined): boolean => {
  if (process.platform !== 'linux') return true;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return 'TZX'.includes(stat.slice(stat.lastIndexOf(')') + 2).charAt(0)); // the name may contain anything
  } catch {
    return true; // gone
  }
};
