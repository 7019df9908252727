// For tests of frontends: msw handlers that behave like a server of the contract. The only entry that imports msw.

/** What a mock may do, and what may happen to a request. */
export { type Execution, MockRefusal, type Situation } from './msw/operations.ts';
export type { MockedRequest, PlainMocks } from './msw/plain.ts';
/** Behaving like a server. */
export { type SemelHandlers, type SemelHandlersOptions, semelHandlers } from './msw/semel-handlers.ts';
export type { DataTransformer, TrpcMocks } from './msw/trpc.ts';
