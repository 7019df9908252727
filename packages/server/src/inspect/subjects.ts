import { type AnyFunction, type Inspectable, inspectableOf } from '../admission/inspectable.ts';
import { type Look, lookAt, type OperationAt } from './source/look.ts';

/** One mutation, as the rules look at it. */
export interface Subject {
  readonly path: string;
  /** Tells two procedures from one that is reached by two paths. */
  readonly identity: object;
  readonly meta: { readonly idempotency?: unknown; readonly acceptedFindings?: unknown };
  /** `undefined`: nothing makes a claim. */
  readonly wrapped: Inspectable | undefined;
  readonly claims: number;
  /** The application's own, in order. */
  readonly before: readonly AnyFunction[];
  readonly after: readonly AnyFunction[];
  readonly handler: AnyFunction | undefined;
  readonly look: Look | undefined;
  readonly inputs: readonly unknown[];
  readonly hasOutput: boolean;
}

interface Definition {
  readonly type?: string;
  readonly meta?: Subject['meta'] | undefined;
  readonly middlewares?: readonly AnyFunction[];
  readonly inputs?: readonly unknown[];
  readonly output?: unknown;
  readonly resolver?: AnyFunction;
}
interface RouterDefinition {
  readonly router?: true;
  readonly procedures: Readonly<Record<string, { readonly _def: Definition }>>;
  readonly lazy?: Readonly<Record<string, { load(): Promise<void> }>>;
}
/** A tRPC router of any shape. */
export interface AnyRouter {
  readonly _def: { readonly procedures: object };
}
/** A plain route of `@semel/server/http`. */
export type AnyRoute = AnyFunction;

export const isRouter = (value: unknown): value is AnyRouter =>
  (typeof value === 'object' || typeof value === 'function') &&
  value !== null &&
  (value as { _def?: Partial<RouterDefinition> })._def?.router === true;

/** Every mutation of a router, by path. Routers that load lazily are loaded. */
export async function subjectsOf(router: AnyRouter): Promise<Subject[]> {
  const definition = router._def as RouterDefinition;
  // What was loaded may bring more that loads lazily.
  for (;;) {
    const [loader] = Object.values(definition.lazy ?? {});
    if (loader === undefined) break;
    await loader.load();
  }
  return Object.entries(definition.procedures)
    .filter(([, { _def }]) => _def.type === 'mutation')
    .map(([path, { _def }]) => subjectOf(path, _def));
}

const TRPC_OPERATION: OperationAt = [0, 'ctx', 'operation'];

function subjectOf(path: string, definition: Definition): Subject {
  const { meta, inputs = [], output, resolver: handler, middlewares = [] } = definition;
  const claims = middlewares.filter((one) => inspectableOf(one) !== undefined);
  const claim = claims.at(-1);
  const own = new Set(claims.flatMap((one) => [one, ...(inspectableOf(one)?.own ?? [])]));
  const at = claim === undefined ? middlewares.length : middlewares.indexOf(claim);
  // tRPC marks its parsers and formatters; the last one is the resolver's own.
  const application = middlewares
    .slice(0, -1)
    .filter((one) => !own.has(one) && (one as { _type?: string })._type === undefined);
  return {
    path,
    identity: definition,
    meta: meta ?? {},
    wrapped: inspectableOf(claim),
    claims: claims.length,
    before: application.filter((one) => middlewares.indexOf(one) < at),
    after: application.filter((one) => middlewares.indexOf(one) > at),
    handler,
    look: handler === undefined || claim === undefined ? undefined : lookAt(handler, TRPC_OPERATION),
    inputs,
    hasOutput: output !== undefined,
  };
}

/** Plain routes: their parsers and guards are inside of the application's own code. */
export function subjectOfRoute(route: AnyRoute): Subject {
  const wrapped = inspectableOf(route);
  if (wrapped?.route === undefined) {
    throw new TypeError('inspect takes a tRPC router, or a list of what @semel/server/http wrapped');
  }
  const { path, handler, operationAt } = wrapped.route;
  return {
    path,
    identity: route,
    meta: {},
    wrapped,
    claims: 1,
    before: [],
    after: [],
    handler,
    look: lookAt(handler, operationAt),
    inputs: [],
    hasOutput: true,
  };
}
