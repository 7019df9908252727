import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

// One listener for all children: a listener each would trip Node's leak warning in a long test file.
const living = new Set<ChildProcess>();
let watching = false;
const watch = (): void => {
  if (watching) return;
  watching = true;
  process.once('exit', () => {
    for (const child of living) child.kill('SIGKILL');
  });
};

let setpriv: string | undefined | null = null;
/** Linux: the kernel itself kills the child when we die, even of SIGKILL and even while the child is stopped. */
const findSetpriv = (): string | undefined => {
  if (setpriv !== null) return setpriv;
  const paths = process.platform === 'linux' ? (process.env.PATH ?? '').split(delimiter) : [];
  const found = paths.map((path) => join(path, 'setpriv')).find((path) => existsSync(path));
  // Tried, because some builds have the command without this option.
  setpriv = found && spawnSync(found, ['--pdeathsig', 'KILL', '--', 'true']).status === 0 ? found : undefined;
  return setpriv;
};

// Elsewhere the child watches its parent's id itself; it changes when the parent is gone. Unref'd: keeps nothing alive.
const ORPHAN_GUARD = `data:text/javascript,${encodeURIComponent(
  "const p=process.ppid;setInterval(()=>{if(process.ppid!==p)process.kill(process.pid,'SIGKILL')},250).unref()",
)}`;

/**
 * Starts Node (the one that runs us, never another one of the PATH) so that it dies with this process. Standard
 * output and error are pipes, and there is an IPC channel.
 */
export function spawnTied(nodeArgs: readonly string[], env: NodeJS.ProcessEnv, cwd?: string): ChildProcess {
  watch();
  const tie = findSetpriv();
  const own = [process.execPath, ...(tie ? [] : ['--import', ORPHAN_GUARD]), ...nodeArgs];
  const [file = '', ...args] = tie ? [tie, '--pdeathsig', 'KILL', '--', ...own] : own;
  // setpriv replaces itself by Node, so pid, pipes and channel are Node's.
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], env, ...(cwd && { cwd }) });
  living.add(child);
  child.once('exit', () => living.delete(child));
  return child;
}
