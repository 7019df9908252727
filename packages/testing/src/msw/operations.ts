import {
  createProblem,
  fingerprint,
  type IdempotencyKey,
  type IdempotencyProblem,
  type OperationState,
  type ProblemCode,
} from '@semel/contract/v1/pure';

/**
 * What happens to a request instead of the ordinary. A code of the contract: it is refused with it, and nothing runs.
 * `lost answer`: it runs, and the connection breaks before the answer. `lost request`: the connection breaks before it
 * runs. `accepted`: it is queued (202), and done when it was asked about often enough.
 */
export type Situation = ProblemCode | 'lost answer' | 'lost request' | 'accepted';

/** The answer of a handler that says no for good; it is stored and replayed. */
export class MockRefusal extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export type Told<T> =
  | { readonly kind: 'done'; readonly value: T; readonly replayed: boolean; readonly operationId: string }
  | { readonly kind: 'refused'; readonly error: MockRefusal; readonly replayed: boolean }
  | { readonly kind: 'problem'; readonly problem: IdempotencyProblem }
  | { readonly kind: 'accepted'; readonly operationId: string }
  | { readonly kind: 'lost' };

/** Something that ran, in the order in which it did. */
export interface Execution {
  /** The procedure, or method and route. */
  readonly name: string;
  readonly key: string;
  readonly input: unknown;
}

interface Operation {
  readonly name: string;
  readonly fingerprint: string;
  readonly operationId: string;
  state: OperationState;
  polls: number;
  result?: { readonly value: unknown } | { readonly error: MockRefusal };
  /** Runs a queued one. */
  finish?: () => Promise<void>;
}

export interface Asked<T> {
  readonly name: string;
  /** Who asks: two callers with the same key are two operations. */
  readonly scope: string;
  readonly key: IdempotencyKey;
  readonly input: unknown;
  readonly run: () => T | Promise<T>;
}

/** What the handlers remember, and what is to happen next. */
export interface Operations {
  readonly executions: Execution[];
  ask<T>(asked: Asked<T>): Promise<Told<T>>;
  status(operationId: string): Promise<{ readonly operationId: string; readonly state: string }>;
  plan(name: string, situations: readonly Situation[]): void;
  always(name: string, situation: Situation | undefined): void;
  reset(): void;
}

export const isMockRefusal = (error: unknown): error is MockRefusal => error instanceof MockRefusal;

export function createOperations(options: {
  readonly retryAfterMs: number;
  readonly pollsUntilDone: number;
}): Operations {
  const { retryAfterMs, pollsUntilDone } = options;
  const operations = new Map<string, Operation>();
  const planned = new Map<string, Situation[]>();
  const standing = new Map<string, Situation>();
  const executions: Execution[] = [];

  const problem = (code: ProblemCode): Told<never> => {
    const made = createProblem(code);
    return { kind: 'problem', problem: made.retryable ? { ...made, retryAfterMs } : made };
  };

  async function perform<T>(operation: Operation, { name, key, input, run }: Asked<T>): Promise<void> {
    operation.state = 'processing';
    executions.push({ name, key: key.key, input });
    try {
      operation.result = { value: await run() };
      operation.state = 'completed';
    } catch (error) {
      if (!isMockRefusal(error)) throw error;
      operation.result = { error };
      operation.state = 'failed';
    }
  }

  function told<T>({ result, operationId }: Operation, replayed: boolean): Told<T> {
    if (result === undefined) return problem('in_flight');
    return 'error' in result
      ? { kind: 'refused', error: result.error, replayed }
      : { kind: 'done', value: result.value as T, replayed, operationId };
  }

  return {
    executions,
    async ask<T>(asked: Asked<T>): Promise<Told<T>> {
      const { name, scope, key, input } = asked;
      const situation = planned.get(name)?.shift() ?? standing.get(name);
      if (situation === 'lost request') return { kind: 'lost' };
      if (situation !== undefined && situation !== 'lost answer' && situation !== 'accepted') {
        return problem(situation);
      }
      const id = JSON.stringify([scope, name, key.key]);
      const print = fingerprint(name, input);
      const found = operations.get(id);
      if (found !== undefined && found.fingerprint !== print) return problem('key_reused');
      if (found?.state === 'accepted') return { kind: 'accepted', operationId: found.operationId };
      if (found !== undefined) return situation === 'lost answer' ? { kind: 'lost' } : told(found, true);
      const operationId = crypto.randomUUID().replaceAll('-', '');
      const operation: Operation = { name, fingerprint: print, operationId, state: 'processing', polls: 0 };
      operations.set(id, operation);
      if (situation === 'accepted') {
        operation.state = 'accepted';
        // Failed for now: a worker tries again, and whoever asks goes on waiting.
        operation.finish = () =>
          perform(operation, asked).catch(() => {
            operation.state = 'accepted';
          });
        return { kind: 'accepted', operationId };
      }
      try {
        await perform(operation, asked);
      } catch (error) {
        operations.delete(id); // failed for now: the next attempt runs
        throw error;
      }
      return situation === 'lost answer' ? { kind: 'lost' } : told(operation, false);
    },
    async status(operationId) {
      const found = [...operations.values()].find((each) => each.operationId === operationId);
      if (found === undefined) return { operationId, state: 'not_found' };
      if (found.state === 'accepted' && ++found.polls >= pollsUntilDone) await found.finish?.();
      return { operationId, state: found.state };
    },
    plan(name, situations) {
      planned.set(name, [...(planned.get(name) ?? []), ...situations]);
    },
    always(name, situation) {
      if (situation === undefined) standing.delete(name);
      else standing.set(name, situation);
    },
    reset() {
      operations.clear();
      planned.clear();
      standing.clear();
      executions.length = 0;
    },
  };
}
