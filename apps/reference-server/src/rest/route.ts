import type { ZodType } from 'zod';

/**
 * One REST route of a procedure: `.meta({ rest: { … } })`. A route is a carrier: same name, same operation, and path,
 * query and body together are the procedure's raw input. Nothing else has to be written for it; the OpenAPI document
 * reads the same declaration.
 */
export interface RestRoute {
  readonly method: 'GET' | 'POST';
  /** `{id}` in it is the member `id` of the input. */
  readonly path: `/${string}`;
  /** Of a success, and of its replay. @default 200 */
  readonly status?: 200 | 201;
  /** One line for the OpenAPI document. */
  readonly summary: string;
  /** The operation's name in generated clients. @default the procedure's path in camel case */
  readonly name?: string;
  /** Refusals of the procedure's own, by status. What every route can answer is added to them. */
  readonly refusals?: Readonly<Record<number, string>>;
  /**
   * The member of the input that `Idempotency-Key` is, where a call asks about a key: a key never stands in a URL.
   * @default none: the header is the key of the call itself
   */
  readonly keyMember?: string;
  /** The answer names an operation in `Idempotency-Operation`, though the call has no key. @default false */
  readonly namesOperation?: boolean;
  /** Where the procedure's own parser is a function and no schema. @default the procedure's */
  readonly input?: ZodType;
  readonly output?: ZodType;
}

export interface RestMeta {
  readonly rest?: RestRoute | readonly RestRoute[];
}
