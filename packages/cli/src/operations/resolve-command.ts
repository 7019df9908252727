import { readFile } from 'node:fs/promises';
import { resolve as pathOf } from 'node:path';
import type { OperatorResolution } from '@semel/server';
import { parsed } from '../arguments.ts';
import { type Command, CommandError, type Terminal, textOf } from '../command.ts';
import { DECIDING_HELP, DECIDING_OPTIONS, decidedBy } from './actor.ts';
import { requireKey, tell } from './decide.ts';
import { COMMON_OPTIONS, onlyId, withSemel } from './with-semel.ts';

const help = `Usage: semel operations resolve <operation id> --completed <json> | --failed <status,code,message> --reason <text>

suspended or dead -> completed or failed, by what you have found out: from then on what every retry and status answer gets, for
ever. Before you say failed, be sure that no process is still at it: one that was paused may act when it wakes.

Options:
  --completed <json>   it happened: what the procedure would have answered. @file reads it from a file, - from standard
                       input. Stored as given: the procedure's output parser doesn't see it
  --failed <status,code,message>   it didn't, and won't: 402,CARD_DECLINED,The card was declined
${DECIDING_HELP}  --json               { action, operationId, kind: done | not_now | absent, operation }
`;

const OPTIONS = {
  ...COMMON_OPTIONS,
  ...DECIDING_OPTIONS,
  completed: { type: 'string' },
  failed: { type: 'string' },
} as const;

export const resolveCommand: Command = {
  summary: 'says what became of one that is suspended or dead',
  help,
  async run(args, terminal) {
    const { values, positionals } = parsed(args, OPTIONS);
    const id = onlyId(positionals, 'resolve');
    const by = decidedBy(values);
    const resolution = await resolutionFrom(values, terminal);
    return withSemel(values, terminal, async (semel, settings) => {
      const telling = { semel, settings, terminal, json: values.json };
      await requireKey(telling, id);
      return tell(telling, 'resolve', id, await semel.decisions.resolve(id, resolution, by));
    });
  },
};

async function resolutionFrom(
  { completed, failed }: { readonly completed?: string | undefined; readonly failed?: string | undefined },
  terminal: Terminal,
): Promise<OperatorResolution> {
  if ((completed === undefined) === (failed === undefined)) {
    throw new CommandError('what became of it? either --completed <json> or --failed <status,code,message>');
  }
  if (completed !== undefined) {
    const json = await textFrom(completed, terminal);
    try {
      return { completed: JSON.parse(json) as unknown };
    } catch (error) {
      throw new CommandError(`--completed is no JSON: ${textOf(error)}`);
    }
  }
  const [, status, code, message] = /^([45]\d\d),([^,]+),(.+)$/s.exec(failed ?? '') ?? [];
  if (status === undefined || code === undefined || message === undefined) {
    throw new CommandError(
      '--failed is status,code,message, with a status from 400 to 599: 402,CARD_DECLINED,The card was declined',
    );
  }
  return { failed: { httpStatus: Number(status), code: code.trim(), message: message.trim() } };
}

async function textFrom(given: string, terminal: Terminal): Promise<string> {
  if (given === '-') return terminal.readInput();
  if (!given.startsWith('@')) return given;
  try {
    return await readFile(pathOf(terminal.cwd, given.slice(1)), 'utf8');
  } catch (error) {
    throw new CommandError(`--completed ${given} can't be read: ${textOf(error)}`);
  }
}
