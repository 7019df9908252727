import type { IdempotencyMeta } from '@semel/server/trpc';
import type { AnyTRPCRouter } from '@trpc/server';
import type { ZodType } from 'zod';
import { jsonSchemaOf } from './json-schema.ts';
import type { RestMeta, RestRoute } from './route.ts';

/** A route with what its procedure says about itself. */
export interface RestOperation extends RestRoute {
  /** The procedure's path. */
  readonly procedure: string;
  readonly kind: 'mutation' | 'query';
  readonly input: ZodType;
  readonly output: ZodType;
  /** Names in the path, in order. */
  readonly pathMembers: readonly string[];
  /** Whether the call itself carries a key, and has to. */
  readonly key: 'none' | 'optional' | 'required';
  /** Done later by a worker: the first answers are 202. */
  readonly queued: boolean;
}

interface Definition {
  readonly type: 'mutation' | 'query' | 'subscription';
  readonly inputs: readonly unknown[];
  readonly output?: unknown;
  readonly meta?: RestMeta & IdempotencyMeta;
}

/** Every route that the router's procedures declare. @throws when a declaration can't mean what it says */
export function restOperations(router: AnyTRPCRouter): readonly RestOperation[] {
  const procedures = router._def.procedures as Readonly<Record<string, { readonly _def: Definition }>>;
  const operations = Object.entries(procedures).flatMap(([procedure, { _def }]) => {
    const declared = _def.meta?.rest ?? [];
    const routes = Array.isArray(declared) ? (declared as readonly RestRoute[]) : [declared as RestRoute];
    return routes.map((route) => operationFrom(procedure, _def, route));
  });
  const seen = new Set<string>();
  for (const { method, path, procedure } of operations) {
    const shape = `${method} ${path.replaceAll(/\{\w+\}/g, '{}')}`;
    if (seen.has(shape)) throw new Error(`${procedure}: ${method} ${path} is another procedure's route`);
    seen.add(shape);
  }
  return operations;
}

function operationFrom(procedure: string, definition: Definition, route: RestRoute): RestOperation {
  const wrong = (what: string) => new Error(`${procedure}: ${route.method} ${route.path} ${what}`);
  const { type: kind } = definition;
  if (kind === 'subscription') throw wrong('is a subscription, which has no REST form');
  // A GET may be repeated, prefetched and cached by anyone.
  if (route.method === 'GET' && kind !== 'query') throw wrong('is a mutation and needs POST');
  const input = route.input ?? definition.inputs[0];
  const output = route.output ?? definition.output;
  if (!isSchema(input) || !isSchema(output)) throw wrong('needs zod schemas for its input and its output');

  const pathMembers = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as string);
  const known = jsonSchemaOf(input, 'input').schema.properties ?? {};
  const strange = [...pathMembers, ...(route.keyMember === undefined ? [] : [route.keyMember])].find(
    (member) => !Object.hasOwn(known, member),
  );
  if (strange !== undefined) throw wrong(`names ${strange}, which is no member of its input`);

  const policy = definition.meta?.idempotency;
  const key = policy === undefined || policy.key === 'derived' ? 'none' : (policy.key ?? 'required');
  const queued = policy?.mode === 'queued';
  return { ...route, procedure, kind, input, output, pathMembers, key, queued };
}

const isSchema = (value: unknown): value is ZodType =>
  typeof value === 'object' && value !== null && '_zod' in value;
