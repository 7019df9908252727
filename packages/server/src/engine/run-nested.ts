import { childKey } from '@semel/contract/v1/pure';
import type { OperationMode } from '../store/port.ts';
import type { EngineContext } from './engine-context.ts';
import { OperationMisuse } from './failure.ts';
import type { Operation } from './operation.ts';
import type { Handler } from './request.ts';

/** The call that is made inside another's handler. */
export interface NestedCall {
  readonly procedure: string;
  readonly mode: OperationMode;
}

/**
 * Savepoints of one transaction nest, they don't run side by side: rolling one back would take its sibling's writes with
 * it. So the calls of one handler go one after the other, even when it made them at once.
 */
const lastOf = new WeakMap<object, Promise<unknown>>();

/** How often a handler has called each procedure: the second call is another action, and has a key of its own. */
const callsOf = new WeakMap<object, Map<string, number>>();

/**
 * An idempotent mutation called inside another's handler joins it: same transaction, under a child key, as a savepoint,
 * so that the outer handler may catch its failure. It has no record of its own: the outer one's stands for both.
 *
 * @throws OperationMisuse unless both are atomic: anything else could commit one without the other
 */
export async function runNested<Tx>(
  { store }: Pick<EngineContext<Tx>, 'store'>,
  outer: Operation<Tx>,
  { procedure, mode }: NestedCall,
  handler: Handler<Tx>,
): Promise<unknown> {
  if (outer.mode !== 'atomic' || mode !== 'atomic') {
    throw new OperationMisuse(
      `${procedure} (${mode}) was called inside ${outer.procedure} (${outer.mode}): only atomic calls can join. Call its function directly, or from a step with a context of its own and the step's child key.`,
    );
  }
  const { scope, key } = outer;
  const calls = callsOf.get(outer) ?? new Map<string, number>();
  callsOf.set(outer, calls);
  const nth = (calls.get(procedure) ?? 0) + 1;
  calls.set(procedure, nth);
  const step = nth === 1 ? procedure : `${procedure}#${nth}`;
  const inner: Operation<Tx> = {
    ...outer,
    signal: outer.signal,
    procedure,
    key: childKey({ scope, procedure: outer.procedure, key, step }),
    childKey: (step) => childKey({ scope, procedure, key: inner.key, step }),
  };
  const before = lastOf.get(outer) ?? Promise.resolve();
  const ran = before.then(() => store.savepoint(outer.tx, () => handler(inner)));
  lastOf.set(
    outer,
    ran.catch(() => undefined),
  );
  return ran;
}
