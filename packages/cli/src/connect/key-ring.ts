import type { KeyRing } from '@semel/server';
import { CommandError } from '../command.ts';

/** The variable that holds a key ring: `{"current":"k2","keys":{"k1":"<base64>","k2":"<base64>"}}`. */
export const KEY_RING_VARIABLE = 'SEMEL_KEY_RING';

/** @throws CommandError that shows nothing of what was read */
export function keyRingFrom(text: string | undefined): KeyRing | undefined {
  if (text === undefined || text === '') return undefined;
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    throw new CommandError(`${KEY_RING_VARIABLE} is no JSON`);
  }
  const { current, keys } = (read ?? {}) as { current?: unknown; keys?: unknown };
  const entries = Object.entries((keys ?? {}) as Record<string, unknown>);
  if (
    typeof current !== 'string' ||
    entries.length === 0 ||
    entries.some(([, key]) => typeof key !== 'string')
  ) {
    throw new CommandError(`${KEY_RING_VARIABLE} is {"current":"k1","keys":{"k1":"<32 bytes in base64>"}}`);
  }
  return {
    current,
    keys: Object.fromEntries(entries.map(([id, key]) => [id, Buffer.from(key as string, 'base64')])),
  };
}

/** The id of the key that an operation is sealed under, as its stored fingerprint names it; absent where it is plain. */
export function sealedUnder(fingerprint: string): string | undefined {
  const parts = fingerprint.split(':');
  return parts.length === 3 ? parts[1] : undefined;
}
