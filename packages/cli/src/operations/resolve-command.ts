import { readFile } from 'node:fs/promises';
import { resolve as pathOf } from 'node:path';
import type { OperatorResolution } from '@semel/server';
import { createOutcomeCodec } from '@semel/server/adapter';
import { parsed } from '../arguments.ts';
import { type Command, CommandError, type Terminal, textOf } from '../command.ts';
import { JUDGING_HELP, JUDGING_OPTIONS, judgedBy } from './actor.ts';
import { requireKey, tell } from './decide.ts';
import { COMMON_OPTIONS, onlyId, withSemel } from './with-semel.ts';

const help = `Usage: semel operations resolve <operation id> --completed <json> | --failed <status,code,message> --reason <text>
       semel operations resolve <operation id> --completed-superjson <json> --reason <text>

suspended or dead -> completed or failed, by what you have found out: from then on what every retry and status answer gets, for
ever. Before you say failed, be sure that no process is still at it: one that was paused may act when it wakes.

Options:
  --completed <json>   it happened: what the procedure would have answered. @file reads it from a file, - from standard
                       input. Stored as given: the procedure's output parser doesn't see it
  --completed-superjson <json>   the same in superjson's form, for an output with dates, maps, bigints …:
                       {"json":{"at":"2026-11-22T12:00:00.000Z"},"meta":{"values":{"at":["Date"]}}}
  --failed <status,code,message>   it didn't, and won't: 402,CARD_DECLINED,The card was declined
${JUDGING_HELP}  --json               { action, operationId, kind: done | not_now | absent, operation }
`;

const OPTIONS = {
  ...COMMON_OPTIONS,
  ...JUDGING_OPTIONS,
  completed: { type: 'string' },
  'completed-superjson': { type: 'string' },
  failed: { type: 'string' },
} as const;

export const resolveCommand: Command = {
  summary: 'says what became of one that is suspended or dead',
  help,
  async run(args, terminal) {
    const { values, positionals } = parsed(args, OPTIONS);
    const id = onlyId(positionals, 'resolve');
    const by = judgedBy(values);
    const resolution = await resolutionFrom(values, terminal);
    return withSemel(values, terminal, async (semel, settings) => {
      const telling = { semel, settings, terminal, json: values.json, seen: by.version };
      await requireKey(telling, id);
      return tell(telling, 'resolve', id, await semel.decisions.resolve(id, resolution, by));
    });
  },
};

interface Given {
  readonly completed?: string | undefined;
  readonly 'completed-superjson'?: string | undefined;
  readonly failed?: string | undefined;
}

async function resolutionFrom(given: Given, terminal: Terminal): Promise<OperatorResolution> {
  const { completed, failed, 'completed-superjson': typed } = given;
  if ([completed, typed, failed].filter((each) => each !== undefined).length !== 1) {
    throw new CommandError(
      'what became of it? one of --completed <json>, --completed-superjson <json> and --failed <status,code,message>',
    );
  }
  if (completed !== undefined) return { completed: await jsonFrom('--completed', completed, terminal) };
  if (typed !== undefined) {
    return { completed: typedValue(await jsonFrom('--completed-superjson', typed, terminal)) };
  }
  const [, status, code, message] = /^(40[02349]|410|422),([^,]+),(.+)$/s.exec(failed ?? '') ?? [];
  if (status === undefined || code === undefined || message === undefined) {
    throw new CommandError(
      '--failed is status,code,message, as in 402,CARD_DECLINED,The card was declined. The status is one that callers take for an answer: 400, 402, 403, 404, 409, 410 or 422',
    );
  }
  return { failed: { httpStatus: Number(status), code: code.trim(), message: message.trim() } };
}

async function jsonFrom(option: string, given: string, terminal: Terminal): Promise<unknown> {
  const json = await textFrom(option, given, terminal);
  try {
    return JSON.parse(json) as unknown;
  } catch (error) {
    throw new CommandError(`${option} is no JSON: ${textOf(error)}`);
  }
}

/** Nothing is guessed: an output may itself have a member called json. */
function typedValue(form: unknown): unknown {
  const isForm = typeof form === 'object' && form !== null && 'json' in form;
  if (!isForm || Object.keys(form).some((name) => name !== 'json' && name !== 'meta')) {
    throw new CommandError(
      '--completed-superjson is { "json": …, "meta": … } and nothing else, as superjson.serialize gives it',
    );
  }
  try {
    return createOutcomeCodec().stepToValue(JSON.stringify(form));
  } catch (error) {
    throw new CommandError(`--completed-superjson can't be read: ${textOf(error)}`);
  }
}

async function textFrom(option: string, given: string, terminal: Terminal): Promise<string> {
  if (given === '-') return terminal.readInput();
  if (!given.startsWith('@')) return given;
  try {
    return await readFile(pathOf(terminal.cwd, given.slice(1)), 'utf8');
  } catch (error) {
    throw new CommandError(`${option} ${given} can't be read: ${textOf(error)}`);
  }
}
