import { AsyncLocalStorage } from 'node:async_hooks';

/** The nested body that runs here, as far as this thread of promises knows. */
const here = new AsyncLocalStorage<object>();
/** Of each transaction, the nested bodies that run, innermost last. */
const running = new WeakMap<object, object[]>();

/** Runs `body` as the innermost of its transaction: while it runs, only its own queries are let through. */
export async function nested<T>(tx: object, body: () => Promise<T>): Promise<T> {
  const me = {};
  const stack = running.get(tx) ?? [];
  running.set(tx, stack);
  stack.push(me);
  try {
    return await here.run(me, body);
  } finally {
    stack.splice(stack.indexOf(me), 1);
  }
}

/**
 * Whether a query that is sent from here would land in somebody else's savepoint, and be undone silently if that one is
 * rolled back.
 */
export function isIntruding(tx: object): boolean {
  const innermost = running.get(tx)?.at(-1);
  return innermost !== undefined && innermost !== here.getStore();
}
