import type { Semel } from '@semel/server';
import { CommandError, type Terminal } from '../command.ts';
import { explained } from '../connect/failures.ts';
import { type Needs, openSemel } from '../connect/open-semel.ts';
import { CONNECT_OPTIONS, type Settings, settingsFrom } from '../connect/settings.ts';

/** What every action takes. */
export const COMMON_OPTIONS = { ...CONNECT_OPTIONS, json: { type: 'boolean', default: false } } as const;

/** Opens what an action works on, closes it again, and says in words what kept it from working. */
export async function withSemel<T>(
  values: Parameters<typeof settingsFrom>[0],
  terminal: Terminal,
  work: (semel: Semel, settings: Settings) => Promise<T>,
  needs: Needs = {},
): Promise<T> {
  const settings = await settingsFrom(values, terminal);
  let opened: Awaited<ReturnType<typeof openSemel>> | undefined;
  try {
    opened = await openSemel(settings, needs);
    return await work(opened.semel, settings);
  } catch (error) {
    // A value that an operation doesn't take: said as it is.
    if (error instanceof TypeError && /^(resolve|redrive|release|cancel|purge|list)\b/.test(error.message)) {
      throw new CommandError(error.message, { cause: error });
    }
    throw explained(error, settings.database);
  } finally {
    await opened?.close();
  }
}

/** @throws CommandError unless there is exactly one */
export function onlyId(positionals: readonly string[], action: string): string {
  const [id, ...more] = positionals;
  if (id === undefined) throw new CommandError(`which operation? semel operations ${action} <operation id>`);
  if (more.length > 0) throw new CommandError(`one operation at a time, not also ${more.join(', ')}`);
  return id;
}
