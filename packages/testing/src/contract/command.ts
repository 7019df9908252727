import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type ContractConfig, capabilitiesFrom, readConfig, targetFrom, UsageError } from './config.ts';
import { REPORTS, type ReportKind, reportOf, totalsOf } from './report.ts';
import { type CaseResult, runContract } from './run.ts';

export const CONTRACT_HELP = `Asks a server of idempotent requests, in any language, for what it promises.

  semel-testing contract --url http://localhost:4000 --path /orders [options]

  --url URL              where the server listens
  --path PATH            route, or tRPC procedure, that takes Idempotency-Key
  --config FILE          JSON: everything below, templates of bodies, a second principal
  --carrier http|trpc    [http]
  --transformer superjson|none   of a tRPC server [none]
  --method METHOD        [POST]
  --header 'Name: value' sent with every request; may be repeated
  --capability NAME      what the server can do: NAME, no-NAME, NAME=VALUE; may be repeated
  --only ID              only this case (S44) and its relatives (S44-…); may be repeated
  --report text|junit|json   [text]
  --output FILE          where the report goes [standard output]
  --quiet                no progress on standard error
  --help

Exit code 0: every case that could be run passed. 1: a case failed. 2: the command was not understood.
A skipped case says why. Run it against a server of your own that holds nothing worth keeping.
`;

/** Where a command reads and writes; a test gives its own. */
export interface Terminal {
  out(text: string): void;
  err(text: string): void;
}

/** Runs `contract`. @returns the exit code */
export async function contractCommand(args: readonly string[], terminal: Terminal): Promise<0 | 1 | 2> {
  try {
    return await command(args, terminal);
  } catch (error) {
    const misused = error instanceof UsageError || isParseError(error);
    if (!misused) throw error;
    terminal.err(`${(error as Error).message}\n\nsemel-testing contract --help says more.\n`);
    return 2;
  }
}

async function command(args: readonly string[], { out, err }: Terminal): Promise<0 | 1 | 2> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      url: { type: 'string' },
      path: { type: 'string' },
      config: { type: 'string' },
      carrier: { type: 'string' },
      transformer: { type: 'string' },
      method: { type: 'string' },
      header: { type: 'string', multiple: true, default: [] },
      capability: { type: 'string', multiple: true, default: [] },
      only: { type: 'string', multiple: true },
      report: { type: 'string', default: 'text' },
      output: { type: 'string' },
      quiet: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    out(CONTRACT_HELP);
    return 0;
  }
  const kind = oneOf('report', values.report, REPORTS) as ReportKind;
  const file = values.config === undefined ? {} : readConfig(values.config);
  const { url, path, method } = values;
  const carrier = oneOf('carrier', values.carrier, ['http', 'trpc'] as const);
  const transformer = oneOf('transformer', values.transformer, ['superjson', 'none'] as const);
  const config: ContractConfig = {
    ...file,
    ...defined({ url, path, method, carrier, transformer }),
    headers: { ...file.headers, ...headersFrom(values.header) },
  };
  const target = targetFrom(config);
  const capabilities = capabilitiesFrom(values.capability, config.capabilities);
  const results = await runContract({
    target,
    capabilities,
    ...(values.only !== undefined && { only: values.only }),
    onResult: (result, done, of) => {
      if (!values.quiet) err(`${progress(result)} ${done}/${of} ${result.id}: ${result.title}\n`);
    },
  });
  if (results.length === 0) throw new UsageError(`--only ${values.only?.join(', ')} names no case`);
  const report = reportOf(kind, `${target.url} ${target.path}`, results);
  if (values.output === undefined) out(report);
  else writeFileSync(values.output, report);
  const { passed, failed } = totalsOf(results);
  if (passed + failed === 0) throw new UsageError('every case was skipped: nothing is known of this server');
  return failed > 0 ? 1 : 0;
}

const MARKS: Record<CaseResult['outcome'], string> = { passed: 'ok  ', failed: 'FAIL', skipped: 'skip' };
const progress = ({ outcome }: CaseResult) => MARKS[outcome];

function headersFrom(lines: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(':');
      if (colon < 1) throw new UsageError(`--header ${line}: write it as 'Name: value'`);
      return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
}

function oneOf<T extends string>(
  name: string,
  value: string | undefined,
  allowed: readonly T[],
): T | undefined {
  if (value === undefined) return undefined;
  const found = allowed.find((each) => each === value);
  if (found === undefined) throw new UsageError(`--${name} is ${allowed.join(' or ')}, not ${value}`);
  return found;
}

function defined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const given = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

function isParseError(error: unknown): boolean {
  return error instanceof Error && String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS');
}
