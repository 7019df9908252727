import type { TRPCError, TRPCRootConfig } from '@trpc/server';

/**
 * The part of tRPC's builder that the adapter relies on beyond the public types: builders keep their middlewares in
 * `_def.middlewares` in order, each marked with `_type` where tRPC made it. A test pins this for the supported range.
 */
export type MiddlewareResult =
  | { readonly ok: true; readonly data: unknown }
  | { readonly ok: false; readonly error: TRPCError };

export interface MiddlewareCall {
  readonly ctx: object;
  readonly type: 'mutation' | 'query' | 'subscription';
  readonly path: string;
  readonly input: unknown;
  readonly batchIndex?: number;
  getRawInput(): Promise<unknown>;
  next(options?: { ctx?: object; getRawInput?: () => Promise<unknown> }): Promise<MiddlewareResult>;
}

export interface Middleware {
  (call: MiddlewareCall): Promise<MiddlewareResult>;
  readonly _type?: string;
}

export interface AnyBuilder {
  readonly _def: {
    middlewares: readonly Middleware[];
    readonly meta?: { readonly idempotency?: unknown } | undefined;
    // biome-ignore lint/suspicious/noExplicitAny: typed by the application's root types
    readonly config?: TRPCRootConfig<any>;
  };
  use(middleware: Middleware): AnyBuilder;
  input(parser: unknown): AnyBuilder;
  errors(formatter: () => unknown): AnyBuilder;
  mutation(resolver: unknown): unknown;
  query(resolver: unknown): unknown;
  subscription(resolver: unknown): unknown;
}
