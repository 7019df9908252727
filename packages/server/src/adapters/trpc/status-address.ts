import type { AnyBuilder } from './trpc-internals.ts';

/** What the client library asks by default (`statusPath`). */
const STATUS_PATH = 'idempotency.status';

/** The status query as tRPC's `httpLink` would send it, relative to the address of a procedure's call. */
export function statusAddress(operationId: string, config: AnyBuilder['_def']['config']): string {
  const input: unknown = { operationId };
  const sent: unknown = config?.transformer.input.serialize(input) ?? input;
  return `${STATUS_PATH}?input=${encodeURIComponent(JSON.stringify(sent))}`;
}
