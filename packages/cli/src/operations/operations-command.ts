import { type Command, CommandError } from '../command.ts';
import { CONNECT_HELP } from '../connect/settings.ts';
import { cancelCommand } from './cancel-command.ts';
import { listCommand } from './list-command.ts';
import { purgeCommand } from './purge-command.ts';
import { redriveCommand } from './redrive-command.ts';
import { releaseCommand } from './release-command.ts';
import { resolveCommand } from './resolve-command.ts';
import { showCommand } from './show-command.ts';

/** A new action is a line here. */
const ACTIONS: Readonly<Record<string, Command>> = {
  list: listCommand,
  show: showCommand,
  resolve: resolveCommand,
  redrive: redriveCommand,
  release: releaseCommand,
  cancel: cancelCommand,
  purge: purgeCommand,
};

const width = Math.max(...Object.keys(ACTIONS).map((name) => name.length));
const overview = `Usage: semel operations <action> [options]

${Object.entries(ACTIONS)
  .map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`)
  .join('\n')}

What changes something needs --reason, and is written down with who did it (--as; @default your name on this machine) in the
same commit. Of two people who decide at once one does; the other is told.

${CONNECT_HELP}
Exit code: 0 done, 1 it isn't possible (any more) or not all of it was, 2 it couldn't be tried.

semel operations <action> --help says more.
`;

const actionOf = (args: readonly string[]): readonly [string, Command] | undefined => {
  const [name = ''] = args;
  const found = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  return found === undefined ? undefined : [name, found];
};

export const operationsCommand: Command = {
  summary: 'shows what became of operations, and decides about those that wait',
  help: (args) => {
    const [, action] = actionOf(args) ?? [];
    if (action === undefined) return overview;
    const own = typeof action.help === 'string' ? action.help : action.help(args.slice(1));
    return `${own}\n${CONNECT_HELP}`;
  },
  async run(args, terminal) {
    const [name, action] = actionOf(args) ?? [];
    if (name === undefined || action === undefined) {
      const said = args[0] === undefined ? 'which action?' : `there is no action ${args[0]}.`;
      throw new CommandError(`${said} There is: ${Object.keys(ACTIONS).join(', ')}`);
    }
    return action.run(args.slice(1), terminal);
  },
};
