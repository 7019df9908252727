/** Where a command says things. */
export interface Terminal {
  /** For results. */
  write(text: string): void;
  /** For what went wrong. */
  complain(text: string): void;
  readonly cwd: string;
  readonly colours: boolean;
}

/** One subcommand. */
export interface Command {
  /** One line for `semel --help`. */
  readonly summary: string;
  /** The whole of `semel <command> --help`. */
  readonly help: string;
  /**
   * @returns the exit code: 0 all is well, 1 the command's own "no", 2 it couldn't do its work
   * @throws CommandError for what its user can put right
   */
  run(args: readonly string[], terminal: Terminal): Promise<number>;
}

/** Something that the user of the command can put right: its message is all that is printed. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

export const messageOf = (error: unknown): string =>
  error instanceof CommandError || !(error instanceof Error) ? textOf(error) : (error.stack ?? error.message);

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
