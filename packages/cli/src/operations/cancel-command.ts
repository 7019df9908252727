import { parsed } from '../arguments.ts';
import type { Command } from '../command.ts';
import { JUDGING_HELP, JUDGING_OPTIONS, judgedBy } from './actor.ts';
import { requireKey, tell } from './decide.ts';
import { COMMON_OPTIONS, onlyId, withSemel } from './with-semel.ts';

const help = `Usage: semel operations cancel <operation id> --reason <text>

A queued operation that no worker has started -> failed: its callers get an error with the code CANCELLED, HTTP 409. One that
was started may have had effects: wait until it is done or dead.

Options:
${JUDGING_HELP}  --json               { action, operationId, kind: done | not_now | absent, operation }
`;

export const cancelCommand: Command = {
  summary: 'gives up one that no worker has started (queued)',
  help,
  async run(args, terminal) {
    const { values, positionals } = parsed(args, { ...COMMON_OPTIONS, ...JUDGING_OPTIONS });
    const id = onlyId(positionals, 'cancel');
    const by = judgedBy(values);
    return withSemel(values, terminal, async (semel, settings) => {
      const telling = { semel, settings, terminal, json: values.json, seen: by.version };
      await requireKey(telling, id);
      return tell(telling, 'cancel', id, await semel.decisions.cancel(id, by));
    });
  },
};
