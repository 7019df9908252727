import { parsed, wholeNumber } from '../arguments.ts';
import { type Command, CommandError } from '../command.ts';
import { CONNECT_HELP, CONNECT_OPTIONS, databaseOf, settingsFrom } from '../connect/settings.ts';
import { checkPostgres } from './check-postgres.ts';
import { checkRedis } from './check-redis.ts';
import { renderChecks } from './render-checks.ts';

const help = `Usage: semel doctor [options]

Looks whether everything is as Semel needs it: Postgres (version, schema, rights, settings, pooler, connections), recovery and
backlog, the queue, Redis, and the clocks. Changes nothing. Run it as the role, and from where, your servers run.

Options:
  --servers <n>        how many server processes there are, to compare with max_connections; @default 1
  --json               { ok, checks: [{ name, status: ok | warning | wrong | skipped, found, why?, fix? }] }
  --help

${CONNECT_HELP}
Exit code: 0 nothing is wrong (there may be warnings), 1 something is, 2 it couldn't look.
`;

const OPTIONS = {
  ...CONNECT_OPTIONS,
  servers: { type: 'string', default: '1' },
  json: { type: 'boolean', default: false },
} as const;

export const doctorCommand: Command = {
  summary: 'looks whether Postgres, Redis and the queue are as they have to be',
  help,
  async run(args, terminal) {
    const { values, positionals } = parsed(args, OPTIONS);
    if (positionals.length > 0) throw new CommandError(`doctor takes no ${positionals.join(' ')}`);
    const servers = wholeNumber('servers', values.servers, 1, 10_000);
    const settings = await settingsFrom(values, terminal);
    databaseOf(settings);
    const [postgres, redis] = await Promise.all([checkPostgres(settings, servers), checkRedis(settings)]);
    const checks = [...postgres, ...redis];
    const isWrong = checks.some(({ status }) => status === 'wrong');
    terminal.write(
      values.json ? `${JSON.stringify({ ok: !isWrong, checks }, null, 2)}\n` : renderChecks(checks, terminal),
    );
    return isWrong ? 1 : 0;
  },
};
