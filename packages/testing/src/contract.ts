// The contract suite without a test runner: for programs that run it themselves. With vitest: `describeIdempotency`.

/** Whom it asks. */
export type { Capabilities, Capability } from './contract/capabilities.ts';
/** What it asks. */
export type { CaseGroup, ContractCase } from './contract/case.ts';
export { type Covered, coverage } from './contract/coverage.ts';
export type { AnswerKind, FailureKind, Payload } from './contract/payload.ts';
/** Saying what came of it. */
export { type ReportKind, reportOf, type Totals, totalsOf } from './contract/report.ts';
/** Running it. */
export { type CaseResult, type RunOptions, runCase, runContract, whySkipped } from './contract/run.ts';
export { contractSuite } from './contract/suite.ts';
export type { ContractTarget, HeaderLines } from './contract/target.ts';
