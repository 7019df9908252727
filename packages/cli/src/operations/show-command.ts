import { parsed } from '../arguments.ts';
import type { Command } from '../command.ts';
import { sealedUnder } from '../connect/key-ring.ts';
import { absent } from './refusals.ts';
import { renderOperation } from './render-operation.ts';
import { COMMON_OPTIONS, onlyId, withSemel } from './with-semel.ts';

const help = `Usage: semel operations show <operation id> [options]

Everything that is known about one operation but its contents: no input, no step results, no outcome.

Options:
  --json               operation, history, rejected, steps, decisions, work?, progress?, purged?, sealed?, now
`;

export const showCommand: Command = {
  summary: 'everything that is known about one operation',
  help,
  async run(args, terminal) {
    const { values, positionals } = parsed(args, COMMON_OPTIONS);
    const id = onlyId(positionals, 'show');
    return withSemel(values, terminal, async ({ decisions, store }, { keyRing, schema }) => {
      const [details, found] = await Promise.all([decisions.show(id), store.find(id)]);
      if (details === undefined || found === undefined) {
        if (values.json) terminal.write(`${JSON.stringify({ kind: 'absent' }, null, 2)}\n`);
        else terminal.complain(`${absent(id, schema)}\n`);
        return 1;
      }
      const key = sealedUnder(found.record.fingerprint);
      const sealed =
        key === undefined
          ? undefined
          : { key, readable: keyRing !== undefined && Object.hasOwn(keyRing.keys, key) };
      terminal.write(
        values.json
          ? `${JSON.stringify({ ...details, ...(sealed && { sealed }) }, null, 2)}\n`
          : renderOperation(details, sealed, terminal),
      );
      return 0;
    });
  },
};
