import { type Command, CommandError, messageOf, type Terminal, Unable } from './command.ts';
import { doctorCommand } from './doctor/doctor-command.ts';
import { inspectCommand } from './inspect/inspect-command.ts';
import { migrateCommand } from './migrate/migrate-command.ts';
import { operationsCommand } from './operations/operations-command.ts';

/** A new subcommand is a line here. */
const COMMANDS: Readonly<Record<string, Command>> = {
  inspect: inspectCommand,
  migrate: migrateCommand,
  doctor: doctorCommand,
  operations: operationsCommand,
};

/** @returns the exit code; 2 for whatever kept the command from doing its work */
export async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    const asked = Object.hasOwn(COMMANDS, rest[0] ?? '') ? COMMANDS[rest[0] ?? ''] : undefined;
    terminal.write(asked === undefined ? overview() : helpOf(asked, rest.slice(1)));
    return name === undefined ? 2 : 0;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) {
    terminal.complain(`semel: there is no command ${name}. There is: ${Object.keys(COMMANDS).join(', ')}\n`);
    return 2;
  }
  try {
    if (rest.includes('--help') || rest.includes('-h')) {
      terminal.write(helpOf(command, rest));
      return 0;
    }
    return await command.run(rest, terminal);
  } catch (error) {
    const isUsage = error instanceof CommandError && !(error instanceof Unable);
    const hint = isUsage
      ? `\nsemel ${[name, ...actionIn(command, rest)].join(' ')} --help says how it's used.`
      : '';
    terminal.progress?.('');
    terminal.complain(`semel ${name}: ${messageOf(error)}${hint}\n`);
    return 2;
  }
}

/** Of a command that has actions, the one that was asked for. */
const actionIn = ({ help }: Command, [first = '']: readonly string[]): readonly string[] =>
  typeof help === 'function' && /^[a-z]+$/.test(first) ? [first] : [];

const helpOf = ({ help }: Command, rest: readonly string[]): string =>
  typeof help === 'string' ? help : help(rest);

function overview(): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  const lines = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  return `Usage: semel <command> [options]\n\n${lines.join('\n')}\n\nsemel <command> --help says more.\n`;
}
