import { spawn, spawnSync } from 'node:child_process';

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd?: string;
}

export interface Ran {
  readonly ok: boolean;
  /** Both outputs, as they came. */
  readonly output: string;
}

/** Runs a command and keeps what it says. */
export function run({ file, args, cwd }: Command): Promise<Ran> {
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: process.platform === 'win32',
    });
    let output = '';
    const keep = (text: string): void => {
      output += text;
    };
    child.stdout.setEncoding('utf8').on('data', keep);
    child.stderr.setEncoding('utf8').on('data', keep);
    child.once('error', (error) => resolve({ ok: false, output: `${output}${error.message}\n` }));
    child.once('close', (code) => resolve({ ok: code === 0, output }));
  });
}

/** This Node, with the same options for every script of ours. */
export const node = (args: readonly string[], more: { readonly cwd?: string } = {}): Command => ({
  file: process.execPath,
  args: ['--disable-warning=ExperimentalWarning', ...args],
  ...more,
});

const PNPM = 'pnpm@12.21.0';
const onPath =
  spawnSync('pnpm', ['--version'], { stdio: 'ignore', shell: process.platform === 'win32' }).status === 0;

/** `npm run …` puts pnpm on the path; a script that was started without it asks npx. */
export const pnpm = (args: readonly string[], more: { readonly cwd?: string } = {}): Command =>
  onPath ? { file: 'pnpm', args, ...more } : { file: 'npx', args: ['--yes', PNPM, ...args], ...more };
