import type { Semel } from '@semel/server';
import { parsed, wholeNumber } from '../arguments.ts';
import { type Command, CommandError } from '../command.ts';
import { JUDGING_HELP, JUDGING_OPTIONS, judgedBy } from './actor.ts';
import { tell } from './decide.ts';
import { redriveAll } from './redrive-all.ts';
import { requireQueue } from './require-queue.ts';
import { statesFrom } from './states.ts';
import { COMMON_OPTIONS, onlyId, withSemel } from './with-semel.ts';

const help = `Usage: semel operations redrive <operation id> --reason <text>
       semel operations redrive --all [--state dead] [--procedure <name>] [--scope <scope>] [--limit <n>] --reason <text>

Lets operations run again, with their input, recorded steps and the same keys for other services. Queued ones that are
suspended or dead go back to the queue; leased ones that are suspended are released to their callers' next retries. Only
while other services still know the keys (the downstream window): past it, resolve.

Options:
  --grant <n>          attempts until it is dead again, 1 to 100; @default 5
  --all                all that match, one by one: each by itself is done or left alone. Ctrl-C stops between two of them
  --state <states>     with --all: dead, suspended or both; @default dead
  --procedure <name>   with --all
  --scope <scope>      with --all: exactly this one
  --limit <n>          with --all: at most so many; @default every one
  --dry-run            with --all: how many there are, changing nothing
${JUDGING_HELP}  --json               { action, operationId, kind, operation }; with --all { done, refused, errors, interrupted, dryRun }
`;

const OPTIONS = {
  ...COMMON_OPTIONS,
  ...JUDGING_OPTIONS,
  grant: { type: 'string', default: '5' },
  all: { type: 'boolean', default: false },
  state: { type: 'string', multiple: true },
  procedure: { type: 'string' },
  scope: { type: 'string' },
  limit: { type: 'string' },
  'dry-run': { type: 'boolean', default: false },
} as const;

export const redriveCommand: Command = {
  summary: 'lets those that are dead or suspended run again, one or many',
  help,
  async run(args, terminal) {
    const { values, positionals } = parsed(args, OPTIONS);
    const by = judgedBy(values);
    const how = { ...by, grantAttempts: wholeNumber('grant', values.grant, 1, 100) };
    const needs = { jobs: true };
    if (!values.all) {
      for (const name of ['state', 'procedure', 'scope', 'limit'] as const) {
        if (values[name] !== undefined) throw new CommandError(`--${name} is for --all`);
      }
      if (values['dry-run']) throw new CommandError('--dry-run is for --all');
      const id = onlyId(positionals, 'redrive');
      return withSemel(
        values,
        terminal,
        async (semel, settings) => {
          if (await isQueued(semel, id)) await requireQueue(settings);
          const telling = { semel, settings, terminal, json: values.json, seen: by.version };
          return tell(telling, 'redrive', id, await semel.decisions.redrive(id, how));
        },
        needs,
      );
    }
    if (positionals.length > 0) {
      throw new CommandError(`either one operation or --all, not also ${positionals.join(', ')}`);
    }
    if (by.version !== undefined)
      throw new CommandError('--seen is for one operation; --all decides about each as it lists it');
    const states = statesFrom(values.state) ?? ['dead'];
    const wrong = states.find((state) => state !== 'dead' && state !== 'suspended');
    if (wrong !== undefined) throw new CommandError(`--state takes dead and suspended here, not ${wrong}`);
    const { procedure, scope } = values;
    const filter = {
      states,
      ...(procedure !== undefined && { procedure }),
      ...(scope !== undefined && { scope }),
    };
    const limit =
      values.limit === undefined
        ? Number.POSITIVE_INFINITY
        : wholeNumber('limit', values.limit, 1, 10_000_000);
    return withSemel(
      values,
      terminal,
      async (semel, settings) => {
        // What is dead was queued. Suspended ones may all be leased, where there never was a queue.
        if (!values['dry-run'] && states.includes('dead')) await requireQueue(settings);
        return redriveAll(semel, {
          filter,
          limit,
          how,
          requireQueue: () => requireQueue(settings),
          dryRun: values['dry-run'],
          json: values.json,
          terminal,
        });
      },
      needs,
    );
  },
};

const isQueued = async ({ store }: Semel, id: string): Promise<boolean> =>
  (await store.find(id))?.record.policy.mode === 'queued';
