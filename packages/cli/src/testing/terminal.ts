import { run } from '../cli.ts';
import type { Terminal } from '../command.ts';

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The command without a process of its own; nothing of this process's environment reaches it. */
export async function runCommand(
  args: readonly string[],
  surroundings: Partial<Terminal> & { readonly input?: string } = {},
): Promise<Ended> {
  const { input = '', ...given } = surroundings;
  let [stdout, stderr] = ['', ''];
  const code = await run(args, {
    write: (text) => {
      stdout += text;
    },
    complain: (text) => {
      stderr += text;
    },
    cwd: import.meta.dirname,
    colours: false,
    env: {},
    readInput: async () => input,
    interrupted: new AbortController().signal,
    ...given,
  });
  return { code, stdout, stderr };
}
