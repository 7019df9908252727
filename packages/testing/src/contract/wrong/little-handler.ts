import { randomUUID } from 'node:crypto';
import type { Payload } from '../payload.ts';
import type { Kept } from './little-rules.ts';

/** What requests have done. */
export interface Effects {
  add(reference: string): void;
  count(reference: string): number;
  /** How often a handler began with it. */
  began(reference: string): number;
}

export function createEffects(): Effects & { begin(reference: string): void } {
  const done = new Map<string, number>();
  const begun = new Map<string, number>();
  const up = (counts: Map<string, number>) => (name: string) =>
    void counts.set(name, (counts.get(name) ?? 0) + 1);
  return {
    add: up(done),
    begin: up(begun),
    count: (reference) => done.get(reference) ?? 0,
    began: (reference) => begun.get(reference) ?? 0,
  };
}

const json = (status: number, value: unknown, headers: Record<string, string> = {}): Kept => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: Buffer.from(JSON.stringify(value)),
});
const bytes = (
  status: number,
  type: string | undefined,
  body: Buffer,
  more: Record<string, string> = {},
): Kept => ({
  status,
  headers: { ...(type && { 'content-type': type }), ...more },
  body,
});

/** Does what a payload asks for. An effect and a failure behind it are undone together, as a transaction would. */
export async function handle(
  payload: Payload,
  effects: ReturnType<typeof createEffects>,
  signal: AbortSignal,
): Promise<Kept> {
  const { reference, amount, delayMs, answer, failure } = payload;
  effects.begin(reference);
  if (delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, delayMs));
  signal.throwIfAborted();
  const id = randomUUID();
  if (failure === 'refused') return json(402, { message: 'declined', id });
  if (failure === 'once' && effects.began(reference) === 1) return json(500, { message: 'a deadlock' });
  if (failure === 'after-effect') return json(500, { message: 'rolled back' });
  effects.add(reference);
  const value = { id, reference, amount };
  if (answer === undefined) return json(200, value);
  switch (answer) {
    case 'created':
      return json(201, value, { location: `/things/${id}` });
    case 'empty':
      return bytes(200, undefined, Buffer.alloc(0));
    case 'no-content':
      return bytes(204, undefined, Buffer.alloc(0));
    case 'null':
      return json(200, null);
    case 'zero':
      return json(200, 0);
    case 'false':
      return json(200, false);
    case 'empty-string':
      return json(200, '');
    case 'text':
      return bytes(200, 'text/plain; charset=utf-8', Buffer.from(`thing ${id}`));
    case 'binary':
      return bytes(200, 'application/octet-stream', Buffer.from(Array.from({ length: 256 }, (_, i) => i)));
    case 'cookie':
      return json(200, value, { 'set-cookie': `sid=${id}` });
    case 'redirect':
      return bytes(303, undefined, Buffer.alloc(0), { location: `/things/${id}` });
    case 'large':
      return json(200, { ...value, filling: 'x'.repeat(100_000) });
  }
}
