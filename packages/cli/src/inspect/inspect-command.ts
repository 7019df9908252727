import { type InspectReport, inspect, SEVERITIES, type Severity } from '@semel/server/inspect';
import { parsed } from '../arguments.ts';
import { type Command, CommandError } from '../command.ts';
import { loadTarget } from './load-target.ts';
import { renderReport } from './render-report.ts';

const help = `Usage: semel inspect <module> [options]

Looks at the mutations of a tRPC router before they go live, without calling one: what isn't protected, policies that
can't keep what they seem to promise, and handlers that look as if they had effects nobody records.

<module> is a .js or .ts file that exports the router (or a list of plain routes). It is loaded, so keep the router in
a module that doesn't start a server. Node runs TypeScript from 22.18 on.

Options:
  --export <name>       which export; @default appRouter, router, default, or the only router there is
  --json                the report as JSON; its schema is inspectReport of @semel/server/inspect
  --fail-on <severity>  exit with 1 from which severity on: error, warning or advice; @default error
  --help

Exit code: 0 nothing to fail on, 1 findings to fail on, 2 the router couldn't be looked at.
`;

export const inspectCommand: Command = {
  summary: 'looks at a router before it goes live',
  help,
  async run(args, terminal) {
    const { module, exported, json, failOn } = optionsFrom(args);
    const target = await loadTarget(module, exported, terminal.cwd);
    const report = await inspect(target);
    terminal.write(
      json ? `${JSON.stringify(report, null, 2)}\n` : renderReport(report, { colours: terminal.colours }),
    );
    return fails(report, failOn) ? 1 : 0;
  },
};

interface Options {
  readonly module: string;
  readonly exported: string | undefined;
  readonly json: boolean;
  readonly failOn: Severity;
}

const OPTIONS = {
  export: { type: 'string' },
  json: { type: 'boolean', default: false },
  'fail-on': { type: 'string', default: 'error' },
} as const;

function optionsFrom(args: readonly string[]): Options {
  const { values, positionals } = parsed(args, OPTIONS);
  const [module, ...more] = positionals;
  if (module === undefined) throw new CommandError('which module? semel inspect ./src/router.ts');
  if (more.length > 0) throw new CommandError(`one module at a time, not also ${more.join(', ')}`);
  const failOn = values['fail-on'];
  if (!(SEVERITIES as readonly string[]).includes(failOn)) {
    throw new CommandError(`--fail-on takes ${SEVERITIES.join(', ')}, not ${failOn}`);
  }
  return { module, exported: values.export, json: values.json, failOn: failOn as Severity };
}

/** Accepted findings never fail. */
const fails = ({ summary }: InspectReport, failOn: Severity): boolean =>
  SEVERITIES.slice(0, SEVERITIES.indexOf(failOn) + 1).some((severity) => summary[severity] > 0);
