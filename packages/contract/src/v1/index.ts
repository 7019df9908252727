// Version 1 of the wire contract, frozen: a change is a `v2` beside it, never an edit.
export * from './pure.ts';

// Schemas for those who validate at runtime. They carry zod; browsers import `@semel/contract/v1/pure` instead.
export * from './schemas.ts';
