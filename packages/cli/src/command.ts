import { masked } from './terminal/masked.ts';

/** Where a command says things, and what it knows of its surroundings. */
export interface Terminal {
  /** For results. */
  write(text: string): void;
  /** For what went wrong, and what a program that reads the results needn't know. */
  complain(text: string): void;
  readonly cwd: string;
  readonly colours: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** How wide it is, where a person looks at it. Absent: nothing is cut. */
  readonly columns?: number;
  /** Replaces the one line of progress; '' takes it away. Absent where nobody watches. */
  progress?(line: string): void;
  /** All of standard input. */
  readInput(): Promise<string>;
  /** Aborted by the first Ctrl-C: a command that does many things stops between two of them. */
  readonly interrupted: AbortSignal;
}

/** One subcommand. */
export interface Command {
  /** One line for `semel --help`. */
  readonly summary: string;
  /** The whole of `semel <command> --help`; of what follows its name where it has subcommands of its own. */
  readonly help: string | ((args: readonly string[]) => string);
  /**
   * @returns the exit code: 0 all is well, 1 the command's own "no", 2 it couldn't do its work
   * @throws CommandError for what its user can put right
   */
  run(args: readonly string[], terminal: Terminal): Promise<number>;
}

/** Something that the user of the command can put right: its message is all that is printed. */
export class CommandError extends Error {
  override readonly name: string = 'CommandError';
}

/** The command was understood, but what it needs isn't there: reading its help wouldn't change that. */
export class Unable extends CommandError {
  override readonly name = 'Unable';
}

/** Without the passwords of URLs, whoever wrote the message. */
export const messageOf = (error: unknown): string =>
  masked(
    error instanceof CommandError || !(error instanceof Error)
      ? textOf(error)
      : (error.stack ?? error.message),
  );

export const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
