// Everything of the contract that needs no schema library: what browser bundles and the server's hot path import.
// A test walks the imports below this file and refuses zod.

// Answers.
export { type AcceptedBody, hasReservedMember, isAcceptedBody } from './accepted.ts';
// Recognising a request: is it the same one?
export { canonicalForm } from './canonical.ts';
export { CanonicalError, type CanonicalErrorCode, type CanonicalLimits } from './canonical-walk.ts';
// Naming an action: what a client sends and a server reads.
export { type ChildKeyParts, childKey } from './child-key.ts';
export { type InputEnvelope, type Unwrapped, unwrapInput, wrapInput } from './envelope.ts';
export {
  type FingerprintPart,
  fingerprint,
  fingerprintBytes,
  fingerprintParts,
  fingerprintVersion,
} from './fingerprint.ts';
export {
  CONTRACT_VERSION,
  CORS_ALLOW_HEADERS,
  CORS_EXPOSE_HEADERS,
  HEADER,
  parseContractHeader,
  parseReplayed,
  retryAfterSeconds,
  SUPPORTED_CONTRACTS,
  serializeReplayed,
} from './headers.ts';
export { parseJsonExact } from './json-exact.ts';
export {
  assertValidKey,
  type IdempotencyKey,
  isValidKey,
  type KeyParse,
  MAX_KEY_LENGTH,
  parseKeyHeader,
  serializeKeyHeader,
} from './key.ts';
export { type KeyListParse, parseKeyListHeader, serializeKeyListHeader } from './key-list.ts';
export { type MultipartPart, splitMultipart } from './multipart.ts';
export {
  type GoneReason,
  isStoredOutcome,
  parseOutcome,
  type SerializedValue,
  type StoredError,
  type StoredOutcome,
  serializeOutcome,
} from './outcome.ts';
export {
  createProblem,
  firstProblem,
  type IdempotencyProblem,
  PROBLEM_CODES,
  PROBLEMS,
  type ProblemCode,
  type ProblemFields,
  type ProblemRow,
  parseIdempotencyProblem,
  problemCodesOfHttpStatus,
  problemCodesOfTrpcCode,
  problemRow,
  type RetryAdvice,
} from './problems.ts';
export { markdownProblems } from './problems-derived.ts';
export { type RouteContent, type RouteInput, type RouteRequest, routeInput } from './route-input.ts';
export { sha256Base64Url, sha256Hex, sha256Pure } from './sha256.ts';

// The life of an operation.
export {
  isSettled,
  isTransition,
  OPERATION_STATES,
  type OperationState,
  SETTLED_STATES,
  type SettledState,
  TRANSITION_CAUSES,
  TRANSITIONS,
  type Transition,
  type TransitionActor,
  type TransitionCause,
} from './states.ts';
export { markdownTransitions, mermaidStates, sqlStateCheck, sqlTransitionCheck } from './states-derived.ts';
export {
  type Job,
  type OperationStatus,
  parseJob,
  type RecordedStatus,
  type StatusInput,
  type TransitionRecord,
  type UnrecordedStatus,
} from './status.ts';
