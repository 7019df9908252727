import { OperationMisuse } from '../../engine/failure.ts';
import type { Operation } from '../../engine/operation.ts';

const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

/** Methods that change nothing: there is nothing to do once, and a key on them means nothing. */
export const isSafeMethod = (method: string): boolean => SAFE.has(method.toUpperCase());

/** What a handler that serves safe methods as well gets for its operation: may be passed about, must not be used. */
export const noOperation = (method: string): Operation<never> =>
  new Proxy({} as Operation<never>, {
    get(_target, name) {
      // Asked by whatever awaits or prints it.
      if (typeof name === 'symbol' || name === 'then' || name === 'toJSON') return undefined;
      throw new OperationMisuse(`operation.${name} on ${method}: a safe method has no operation`);
    },
  });
