import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';

const node = ['--conditions=@semel/source', '--disable-warning=ExperimentalWarning'];
type Env = Readonly<Record<string, string>>;

/** Runs a file to its end. @returns what it printed. @throws when it fails, with what it said */
export async function runFile(folder: string, file: string, env: Env = {}): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [...node, join(folder, file)], {
    env: { ...process.env, ...env },
  });
  return stdout;
}

/** Starts a file that keeps running, and comes back with its first line. */
export async function startFile(folder: string, file: string, env: Env = {}) {
  const child = spawn(process.execPath, [...node, join(folder, file)], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const firstLine = await Promise.race([
    once(child.stdout.setEncoding('utf8'), 'data').then(([text]) => (text as string).split('\n')[0]),
    exited.then(([code]) =>
      Promise.reject(new Error(`${file} ended with code ${code} before it said anything`)),
    ),
  ]);
  return {
    firstLine,
    async stop() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
