import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ForeignServer } from './orders.ts';

export const hasPython: boolean = spawnSync('python3', ['--version']).status === 0;

/** `draft_server.py`, in a process that ends with this one. */
export async function startPython(): Promise<ForeignServer> {
  const script = fileURLToPath(new URL('./draft_server.py', import.meta.url));
  const child = spawn('python3', [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [port] = (await once(child.stdout, 'data')) as [Buffer];
  return {
    url: `http://127.0.0.1:${Number(String(port))}`,
    async close() {
      const gone = once(child, 'exit');
      child.stdin.end();
      await gone;
    },
  };
}
