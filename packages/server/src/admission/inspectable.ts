import type { Policy } from '../engine/policy.ts';
import type { IdempotencyPolicy } from './policy.ts';

// biome-ignore lint/suspicious/noExplicitAny: looked at, never called
export type AnyFunction = (...args: any[]) => unknown;

/** What an adapter knows of a mutation that it wrapped, for `inspect`. Nothing here takes part in a request. */
export interface Inspectable {
  /** As the application wrote it: tells a choice from a default. */
  readonly given: IdempotencyPolicy;
  /** As it is in force. */
  readonly policy: Policy;
  /** The application's scope function; `shared` where it chose that all callers share their keys. */
  readonly scope: AnyFunction | 'shared';
  /** Which store: the same name on two stores is two operations. */
  readonly store: object;
  /** The adapter's own middlewares around the claim. */
  readonly own?: readonly AnyFunction[];
  /** Carriers other than tRPC: what tRPC would say itself. */
  readonly route?: {
    readonly path: string;
    readonly handler: AnyFunction;
    /** Which parameter of the handler is, or has, the operation: `[0, 'operation']` is `({ operation }) => …`. */
    readonly operationAt: readonly [parameter: number, ...members: string[]];
  };
}

/** Recognised across two copies of this package: a command has its own. */
const BRAND = Symbol.for('semel.inspectable');

export function markInspectable<T extends object>(target: T, facts: Inspectable): T {
  return Object.defineProperty(target, BRAND, { value: facts });
}

export const inspectableOf = (target: unknown): Inspectable | undefined =>
  typeof target === 'function' ? (target as { [BRAND]?: Inspectable })[BRAND] : undefined;
