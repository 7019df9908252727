/** Looking at a router before it goes live. The command of `@semel/cli` prints what this returns. */
export {
  CATALOGUE,
  FINDING_CODES,
  type FindingCode,
  SEVERITIES,
  type Severity,
} from './inspect/catalogue.ts';
export { type InspectOptions, inspect } from './inspect/inspect.ts';
export { type Finding, type InspectReport, inspectReport } from './inspect/report.ts';
