import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { inspect } from '@semel/server/inspect';
import { CommandError } from '../command.ts';

type Target = Parameters<typeof inspect>[0];

/** Where a router is usually found, best first. */
const USUAL = ['appRouter', 'router', 'default'];

/**
 * Loads a module and finds the router in it, or the list of plain routes.
 * @throws CommandError when there is no such module, when it doesn't load, or when it isn't clear what is meant
 */
export async function loadTarget(module: string, exported: string | undefined, cwd: string): Promise<Target> {
  const file = resolve(cwd, module);
  if (!existsSync(file)) throw new CommandError(`there is no file ${module}`);
  const exports = await load(file, module);
  const targets = Object.entries(exports).filter((entry): entry is [string, Target] => isTarget(entry[1]));
  const names = targets.map(([name]) => name);
  if (exported !== undefined) {
    if (!Object.hasOwn(exports, exported)) {
      const there = Object.keys(exports).join(', ') || 'nothing';
      throw new CommandError(`${module} doesn't export ${exported}. It exports ${there}`);
    }
    const target = exports[exported];
    if (isTarget(target)) return target;
    throw new CommandError(`${exported} of ${module} is no tRPC router, and no list of idempotent routes`);
  }
  const usual = USUAL.find((name) => names.includes(name));
  const chosen = usual ?? (names.length === 1 ? names[0] : undefined);
  const found = targets.find(([name]) => name === chosen);
  if (found !== undefined) return found[1];
  // A module of route handlers, as Next.js wants them: `export const POST = idempotent(…)`.
  const routes = Object.values(exports).filter(isRoute);
  if (names.length === 0 && routes.length > 0) return routes;
  throw new CommandError(
    names.length === 0
      ? `${module} exports no tRPC router and no idempotent routes: export it (from a module that starts no server). A router that a function makes needs a module that calls it`
      : `${module} exports several routers: say which with --export ${names.join(' | ')}`,
  );
}

async function load(file: string, module: string): Promise<Record<string, unknown>> {
  try {
    return (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === 'ERR_UNKNOWN_FILE_EXTENSION') {
      throw new CommandError(
        `Node ${process.versions.node} can't load ${module}: TypeScript needs Node 22.18 or newer, or a build first`,
      );
    }
    // A policy that is refused when its procedure is defined is the module's own error, and the most useful message.
    const why = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    throw new CommandError(`${module} doesn't load: ${why}`);
  }
}

/** The mark of what the HTTP adapter wrapped, the same in every copy of the package. */
const ROUTE = Symbol.for('semel.inspectable');

const isRoute = (value: unknown): value is Extract<Target, readonly unknown[]>[number] =>
  typeof value === 'function' && ROUTE in value;

const isTarget = (value: unknown): value is Target =>
  isRouter(value) || (Array.isArray(value) && value.length > 0 && value.every(isRoute));

const isRouter = (value: unknown): boolean =>
  (typeof value === 'object' || typeof value === 'function') &&
  value !== null &&
  (value as { _def?: { router?: unknown } })._def?.router === true;
