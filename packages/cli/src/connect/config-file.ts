import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Jobs, KeyRing, Layer } from '@semel/server';
import type { Store } from '@semel/server/store';
import type { RedisConnection } from '@semel/store-redis';
import { CommandError, textOf } from '../command.ts';

/**
 * What a module given as `--config` exports: as its default, as names, or as a function (async too) that returns it. All of it
 * is optional; what is given on the command line comes first.
 */
export interface ConfigFile {
  readonly database?: string;
  readonly schema?: string;
  readonly redis?: RedisConnection;
  readonly redisPrefix?: string;
  readonly jobsSchema?: string;
  readonly queue?: string;
  readonly keyRing?: KeyRing;
  /** Instead of the ones that the command would make. They stay the module's to close. */
  readonly store?: Store;
  readonly jobs?: Jobs;
  readonly layers?: readonly Layer[];
}

const NAMES = [
  'database',
  'schema',
  'redis',
  'redisPrefix',
  'jobsSchema',
  'queue',
  'keyRing',
  'store',
  'jobs',
  'layers',
] as const satisfies readonly (keyof ConfigFile)[];

/** @throws CommandError when there is no such module, when it doesn't load, or when it exports nothing of this */
export async function readConfigFile(path: string, cwd: string): Promise<ConfigFile> {
  const file = resolve(cwd, path);
  if (!existsSync(file)) throw new CommandError(`there is no file ${path}`);
  let exported: unknown;
  try {
    const module = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
    exported = module.default ?? module;
    if (typeof exported === 'function') exported = await exported();
  } catch (error) {
    throw new CommandError(`${path} doesn't load: ${textOf(error)}`, { cause: error });
  }
  const found = Object.entries((exported ?? {}) as Record<string, unknown>).filter(([name]) =>
    (NAMES as readonly string[]).includes(name),
  );
  if (found.length === 0) throw new CommandError(`${path} exports none of ${NAMES.join(', ')}`);
  return Object.fromEntries(found);
}
