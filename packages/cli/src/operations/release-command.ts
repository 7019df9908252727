import { parsed } from '../arguments.ts';
import type { Command } from '../command.ts';
import { JUDGING_HELP, JUDGING_OPTIONS, judgedBy } from './actor.ts';
import { tell } from './decide.ts';
import { COMMON_OPTIONS, onlyId, withSemel } from './with-semel.ts';

const help = `Usage: semel operations release <operation id> --reason <text>

A leased operation that is suspended -> released: its caller's next retry runs it, with its recorded steps and the same keys
for other services. Only while those still know the keys (its downstream window). For one that you know had no effect, or whose
effects are all steps with child keys.

Options:
${JUDGING_HELP}  --json               { action, operationId, kind: done | not_now | window_passed | absent, operation }
`;

export const releaseCommand: Command = {
  summary: "lets the caller's next retry run one that is suspended (leased)",
  help,
  async run(args, terminal) {
    const { values, positionals } = parsed(args, { ...COMMON_OPTIONS, ...JUDGING_OPTIONS });
    const id = onlyId(positionals, 'release');
    const by = judgedBy(values);
    return withSemel(values, terminal, async (semel, settings) => {
      const telling = { semel, settings, terminal, json: values.json, seen: by.version };
      return tell(telling, 'release', id, await semel.decisions.release(id, by));
    });
  },
};
