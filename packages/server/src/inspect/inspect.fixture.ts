import { initTRPC } from '@trpc/server';
import { internalIdempotencyContext } from '../adapters/trpc/idempotency-context.ts';
import { type IdempotencyMeta, trpcIdempotency } from '../adapters/trpc/trpc-idempotency.ts';
import type { IdempotencyPolicy } from '../admission/policy.ts';
import { createMemoryJobs } from '../jobs/memory-jobs.ts';
import { createSemel } from '../semel.ts';
import { createMemoryStore } from '../store/memory.ts';
import type { FindingCode } from './catalogue.ts';
import { inspect } from './inspect.ts';
import type { Finding } from './report.ts';
import type { AnyRouter } from './subjects.ts';

export interface Context {
  readonly idempotency: ReturnType<typeof internalIdempotencyContext>;
  readonly user: { readonly id: string; readonly admin: boolean };
}

export const t = initTRPC.context<Context>().meta<IdempotencyMeta>().create();
export const semel = createSemel({
  store: createMemoryStore(),
  jobs: createMemoryJobs(),
  recovery: false,
});
export const idempotent = trpcIdempotency({ semel, scope: (ctx: Context) => ctx.user.id });
export const context = (key: string): Context => ({
  idempotency: internalIdempotencyContext(key),
  user: { id: 'ann', admin: false },
});

// biome-ignore lint/suspicious/noExplicitAny: handlers are looked at, hardly any is run
type Handler = (options: any) => any;
export const LEASED: IdempotencyPolicy = { mode: 'leased', effects: 'steps', ttlMs: 172_800_000 };
export const QUEUED: IdempotencyPolicy = { ...LEASED, mode: 'queued' };
export const ATOMIC: IdempotencyPolicy = { mode: 'atomic', ttlMs: 172_800_000 };

export const procedure = (policy: IdempotencyPolicy, handler: Handler) =>
  idempotent(t.procedure)
    .meta({ idempotency: policy })
    .output((value: unknown) => value)
    .mutation(handler);

export async function findings(router: AnyRouter): Promise<readonly Finding[]> {
  return (await inspect(router)).findings;
}

/** Everything that is found about one mutation, as `code: what`. */
export async function found(policy: IdempotencyPolicy, handler: Handler): Promise<string[]> {
  const all = await findings(t.router({ it: procedure(policy, handler) }));
  return all.map(({ code, what }) => `${code}: ${what}`);
}

export async function codes(router: AnyRouter): Promise<FindingCode[]> {
  return (await findings(router)).map(({ code }) => code);
}
