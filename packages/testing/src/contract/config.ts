import { readFileSync } from 'node:fs';
import { type Capabilities, isSwitch, SWITCHES } from './capabilities.ts';
import { member } from './carrier.ts';
import { ANSWER_KINDS, FAILURE_KINDS, type Payload } from './payload.ts';
import type { ContractTarget, HeaderLines } from './target.ts';
import { fill } from './template.ts';
import { exchange } from './transport.ts';

/** Something that whoever started the command can put right. */
export class UsageError extends Error {}

/** What a config file may say; flags of the command go before it. */
export interface ContractConfig {
  readonly url?: string;
  readonly carrier?: 'http' | 'trpc';
  readonly transformer?: 'superjson' | 'none';
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The headers of two principals. */
  readonly principals?: readonly [Readonly<Record<string, string>>, Readonly<Record<string, string>>];
  /** Any JSON, with `{{reference}}`, `{{amount}}` and so on where a payload's values go. */
  readonly body?: unknown;
  /** Where the id of an execution stands in an answer: `data.id`. @default id */
  readonly execution?: string;
  /** How to count effects: an address, with `{{reference}}` in it, and where in its answer the number stands. */
  readonly effects?: { readonly path: string; readonly count: string };
  readonly secondUrl?: string;
  readonly otherPath?: string;
  readonly optionalPath?: string;
  readonly queuedPath?: string;
  readonly status?: { readonly path: string; readonly procedure: string };
  readonly origin?: string;
  readonly slowMs?: number;
  readonly timeoutMs?: number;
  readonly mismatchStatus?: number;
  readonly maxKeyLength?: number;
  readonly minKeyLength?: number;
  readonly keyForm?: 'quoted' | 'bare';
  readonly capabilities?: Capabilities;
}

const MEMBERS: ReadonlySet<string> = new Set<keyof ContractConfig>([
  'url',
  'carrier',
  'transformer',
  'path',
  'method',
  'headers',
  'principals',
  'body',
  'execution',
  'effects',
  'secondUrl',
  'otherPath',
  'optionalPath',
  'queuedPath',
  'status',
  'origin',
  'slowMs',
  'timeoutMs',
  'mismatchStatus',
  'maxKeyLength',
  'minKeyLength',
  'keyForm',
  'capabilities',
]);

/** @throws UsageError for a file that can't be read, is no JSON, or says something that nobody knows */
export function readConfig(file: string): ContractConfig {
  let config: unknown;
  try {
    config = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new UsageError(`--config ${file}: ${(error as Error).message}`);
  }
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new UsageError(`--config ${file}: is not an object`);
  }
  const unknown = Object.keys(config).filter((name) => name !== '$schema' && !MEMBERS.has(name));
  if (unknown.length > 0) {
    throw new UsageError(`--config ${file}: there is no ${unknown.join(', ')} (${[...MEMBERS].join(', ')})`);
  }
  for (const name of Object.keys((config as ContractConfig).capabilities ?? {})) checkCapability(name, file);
  return config;
}

/** @throws UsageError where a target is missing something that every one needs */
export function targetFrom(config: ContractConfig): ContractTarget {
  const { url, path, body, execution, effects, capabilities: _, ...rest } = config;
  if (url === undefined) throw new UsageError('--url is missing: where does the server listen?');
  if (!URL.canParse(url) || !/^https?:/.test(url)) throw new UsageError(`--url ${url} is no http(s) address`);
  if (path === undefined) throw new UsageError('--path is missing: which route or procedure takes keys?');
  const { headers = {}, principals, timeoutMs = 10_000 } = config;
  checkTemplate(body);
  return {
    ...rest,
    url,
    path,
    ...(body !== undefined && { body: (payload: Payload) => fill(body, payload) }),
    ...(execution !== undefined && { executionOf: (value: unknown) => at(value, execution) }),
    ...(effects !== undefined && {
      countEffects: async (reference: string) =>
        countAt(url, effects, reference, { ...headers, ...principals?.[0] }, timeoutMs),
    }),
  };
}

/** A template is tried once, so that what is wrong with it is said before anything is sent. */
function checkTemplate(body: unknown): void {
  try {
    fill(body, { reference: 'r', amount: 1 });
  } catch (error) {
    throw new UsageError(`body: ${(error as Error).message}`);
  }
}

async function countAt(
  base: string,
  { path, count }: { readonly path: string; readonly count: string },
  reference: string,
  headers: HeaderLines,
  timeoutMs: number,
): Promise<number> {
  const url = new URL(path.replaceAll('{{reference}}', encodeURIComponent(reference)), base);
  const answer = await exchange({ url, method: 'GET', headers, timeoutMs });
  const value = at(answer.json, count);
  if (typeof value !== 'number') {
    throw new Error(`effects: ${url.pathname} answered ${answer.status} without a number at ${count}`);
  }
  return value;
}

/** `data.items.0.id` of a value. */
function at(value: unknown, path: string): unknown {
  return path.split('.').reduce(member, value);
}

/** One `--capability`: `slowHandler`, `no-replay`, `inFlight=wait`, `answers=created,binary`. @throws UsageError */
export function capabilitiesFrom(flags: readonly string[], base: Capabilities = {}): Capabilities {
  const found: Record<string, unknown> = { ...base };
  for (const flag of flags) {
    const [name = '', value] = flag.split('=', 2);
    if (value === undefined) {
      const off = name.startsWith('no-');
      const switched = off ? name.slice(3) : name;
      if (!isSwitch(switched)) throw unknownCapability(flag);
      found[switched] = !off;
    } else if (name === 'inFlight' && ['conflict', 'wait', 'either'].includes(value)) found[name] = value;
    else if (name === 'answers' && listOf(value, ANSWER_KINDS)) found[name] = value.split(',');
    else if (name === 'failures' && listOf(value, FAILURE_KINDS)) found[name] = value.split(',');
    else throw unknownCapability(flag);
  }
  return found;
}

const listOf = (value: string, known: readonly string[]) =>
  value.split(',').every((each) => known.includes(each));

function unknownCapability(flag: string): UsageError {
  const lines = Object.entries(SWITCHES).map(([name, meaning]) => `  ${name}: ${meaning}`);
  return new UsageError(
    [
      `--capability ${flag} is not known. Switch on with its name, off with no-NAME:`,
      ...lines,
      '  inFlight=conflict|wait|either',
      `  answers=${ANSWER_KINDS.join(',')}`,
      `  failures=${FAILURE_KINDS.join(',')}`,
    ].join('\n'),
  );
}

function checkCapability(name: string, file: string): void {
  if (!isSwitch(name) && !['inFlight', 'answers', 'failures'].includes(name)) {
    throw new UsageError(`--config ${file}: there is no capability ${name}`);
  }
}
