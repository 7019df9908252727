import type { Purged, PurgeOf } from '@semel/server';
import { parsed } from '../arguments.ts';
import { type Command, CommandError, type Terminal } from '../command.ts';
import { settingsFrom } from '../connect/settings.ts';
import { count } from '../terminal/ages.ts';
import { painter } from '../terminal/paint.ts';
import { DECIDING_HELP, DECIDING_OPTIONS, decidedBy } from './actor.ts';
import { openForgetful } from './forgetful-layer.ts';
import { COMMON_OPTIONS, withSemel } from './with-semel.ts';

const help = `Usage: semel operations purge --principal <name> | --scope <scope> | --operation <id> --reason <text> [--yes]

Erases what settled operations hold of a person: outcome, fingerprint, step results, evidence. They stay settled, so that
nothing runs again: a retry gets outcome_gone. Unsettled ones are left alone: purge again when they are settled. It can't be
undone.

With --redis the answers are taken out of Redis too; without, it may replay them for up to an hour. Servers that keep answers in
their own memory forget within a minute.

Options:
  --principal <name>   everything of this one, also where a policy narrowed the scope
  --scope <scope>      everything of exactly this scope
  --operation <id>     only this one
  --yes                needed for more than one operation
${DECIDING_HELP}  --json               { purged, unsettled, unsettledIds, redis: forgotten | not_asked | unsure }

Exit code: 0 done, 1 Redis wasn't heard to forget, or operations aren't settled yet, 2 it couldn't be done.
`;

const OPTIONS = {
  ...COMMON_OPTIONS,
  ...DECIDING_OPTIONS,
  principal: { type: 'string' },
  scope: { type: 'string' },
  operation: { type: 'string' },
  yes: { type: 'boolean', default: false },
} as const;

type Layers = 'forgotten' | 'not_asked' | 'unsure';

export const purgeCommand: Command = {
  summary: 'erases what settled ones hold of a person',
  help,
  async run(args, terminal) {
    const { values, positionals } = parsed(args, OPTIONS);
    const by = decidedBy(values);
    const of = selectionFrom(values, positionals);
    if (of.operationId === undefined && !values.yes) {
      throw new CommandError("that may be many operations, and it can't be undone: say --yes");
    }
    const settings = await settingsFrom(values, terminal);
    const forgetful = await openForgetful(settings);
    try {
      return await withSemel(
        values,
        terminal,
        async (semel) => {
          const purged = await semel.purge({ ...of, ...by, signal: terminal.interrupted });
          const redis = forgetful === undefined ? 'not_asked' : forgetful.isSure() ? 'forgotten' : 'unsure';
          print(purged, redis, values.json, terminal);
          return redis === 'unsure' || purged.unsettled > 0 ? 1 : 0;
        },
        { layers: forgetful?.layers ?? [] },
      );
    } catch (error) {
      if (!terminal.interrupted.aborted) throw error;
      terminal.complain('Stopped. What was purged stays purged; the same command goes on with the rest.\n');
      return 130;
    } finally {
      await forgetful?.close();
    }
  },
};

function selectionFrom(
  {
    principal,
    scope,
    operation,
  }: Readonly<Partial<Record<'principal' | 'scope' | 'operation', string | undefined>>>,
  positionals: readonly string[],
): PurgeOf {
  const given = [principal, scope, operation].filter((one) => one !== undefined);
  if (positionals.length > 0 || given.length !== 1) {
    throw new CommandError('whose? exactly one of --principal, --scope and --operation');
  }
  if (principal !== undefined) return { principal };
  return scope === undefined ? { operationId: operation as string } : { scope };
}

function print(purged: Purged, redis: Layers, json: boolean, terminal: Terminal): void {
  if (json) {
    terminal.write(`${JSON.stringify({ ...purged, redis }, null, 2)}\n`);
    return;
  }
  const paint = painter(terminal);
  const lines = [`${count(purged.purged, 'operation')} purged`];
  if (purged.unsettled > 0) {
    lines.push(
      paint(
        'yellow',
        `${count(purged.unsettled, 'operation')} not settled, left alone: purge again when settled`,
      ),
      ...purged.unsettledIds.map((id) => `  ${id}`),
    );
  }
  if (redis === 'forgotten') lines.push('Redis has forgotten them too.');
  if (redis === 'not_asked') {
    lines.push(
      "Redis wasn't asked: if your servers use one, it may replay answers for up to an hour (--redis, REDIS_URL).",
    );
  }
  if (redis === 'unsure') {
    lines.push(
      paint(
        'red',
        "Redis wasn't heard to forget all of them: it may replay answers for up to an hour. Nothing else is left to do but to wait, or to flush it: it may be lost at any time.",
      ),
    );
  }
  terminal.write(`${lines.join('\n')}\n`);
}
