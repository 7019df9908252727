import { OPERATION_STATES, type OperationState } from './states.ts';

/**
 * What a client does with a code. `never`: the same request can't succeed, a person or a program has to change something.
 * `wait`: same key after `retryAfterMs`. `backoff`: same key, growing pauses. `poll`: keep the key, ask slowly, show the
 * operation as unknown.
 */
export type RetryAdvice = 'never' | 'wait' | 'backoff' | 'poll';

export interface ProblemRow {
  readonly httpStatus: number;
  readonly trpcCode: string;
  /** Another status that a policy may choose. */
  readonly alternative?: { readonly httpStatus: number; readonly trpcCode: string };
  readonly retry: RetryAdvice;
  /** The same request with the same key may be answered otherwise later. Goes with `Retry-After`. Never means "with a new key". */
  readonly retryable: boolean;
  /** What `createProblem` puts into `retryAfterMs` when nobody knows better. */
  readonly retryAfterMs?: number;
  readonly title: string;
  readonly clientAction: string;
  /** Of several that apply the lowest is answered. Equal ones exclude each other. */
  readonly precedence: number;
  /** `type` of the problem document: a stable identifier, described in `docs/reference/problems.md`. */
  readonly type: string;
}

const bad = { httpStatus: 400, trpcCode: 'BAD_REQUEST', retry: 'never', retryable: false } as const;
const conflict = { httpStatus: 409, trpcCode: 'CONFLICT' } as const;

/** The one table of code ↔ HTTP ↔ tRPC ↔ retry. */
export const PROBLEMS = {
  contract_unsupported: {
    ...bad,
    title: 'Idempotency contract version is not supported',
    clientAction: 'upgrade',
    precedence: 1,
    type: 'urn:semel:problem:contract_unsupported',
  },
  key_malformed: {
    ...bad,
    title: 'Idempotency-Key is malformed',
    clientAction: 'fix the caller',
    precedence: 2,
    type: 'urn:semel:problem:key_malformed',
  },
  key_missing: {
    ...bad,
    title: 'Idempotency-Key is missing',
    clientAction: 'fix the caller',
    precedence: 3,
    type: 'urn:semel:problem:key_missing',
  },
  store_unavailable: {
    httpStatus: 503,
    trpcCode: 'SERVICE_UNAVAILABLE',
    retry: 'backoff',
    retryable: true,
    retryAfterMs: 2000,
    title: 'The store of operations is unavailable and nothing was begun',
    clientAction: 'same key, backs off',
    precedence: 4,
    type: 'urn:semel:problem:store_unavailable',
  },
  key_reused: {
    httpStatus: 422,
    trpcCode: 'UNPROCESSABLE_CONTENT',
    alternative: conflict,
    retry: 'never',
    retryable: false,
    title: 'Idempotency-Key is already used',
    clientAction: 'never retries, never renews the key by itself',
    precedence: 5,
    type: 'urn:semel:problem:key_reused',
  },
  outcome_gone: {
    ...conflict,
    retry: 'never',
    retryable: false,
    title: 'The operation finished, but its stored answer is gone',
    clientAction: 'never re-runs; reads the resource',
    precedence: 6,
    type: 'urn:semel:problem:outcome_gone',
  },
  key_expired: {
    ...conflict,
    retry: 'never',
    retryable: false,
    title: 'Idempotency-Key is too old to tell whether it was used',
    clientAction: 'reports unknown, never renews by itself',
    precedence: 6,
    type: 'urn:semel:problem:key_expired',
  },
  outcome_unknown: {
    ...conflict,
    retry: 'poll',
    retryable: true,
    retryAfterMs: 30_000,
    title: 'Nobody knows yet whether the operation took effect',
    clientAction: 'keeps the key, polls slowly, shows it as unknown',
    precedence: 7,
    type: 'urn:semel:problem:outcome_unknown',
  },
  in_flight: {
    ...conflict,
    retry: 'wait',
    retryable: true,
    retryAfterMs: 1000,
    title: 'A request is outstanding for this Idempotency-Key',
    clientAction: 'waits, same key',
    precedence: 8,
    type: 'urn:semel:problem:in_flight',
  },
  lease_lost: {
    ...conflict,
    retry: 'wait',
    retryable: true,
    retryAfterMs: 1000,
    title: 'This attempt was overtaken and its transaction rolled back',
    clientAction: 'same key again',
    precedence: 9,
    type: 'urn:semel:problem:lease_lost',
  },
} as const satisfies Record<string, ProblemRow>;

export type ProblemCode = keyof typeof PROBLEMS;
export const PROBLEM_CODES: readonly ProblemCode[] = /* @__PURE__ */ Object.keys(PROBLEMS) as ProblemCode[];

/** The row of a code, with its optional members. */
export function problemRow(code: ProblemCode): ProblemRow {
  return PROBLEMS[code];
}

/** `error.data.idempotency` on tRPC errors, members of an `application/problem+json` document on plain HTTP. */
export interface IdempotencyProblem {
  contract: 1;
  code: ProblemCode;
  operationId?: string;
  state?: OperationState;
  attempt?: number;
  /** ISO 8601. */
  expiresAt?: string;
  retryAfterMs?: number;
  retryable: boolean;
}

export type ProblemFields = Partial<Omit<IdempotencyProblem, 'contract' | 'code' | 'retryable'>>;

/** A problem of the table. `retryable` follows from the code; a retryable one always says after how long. */
export function createProblem(code: ProblemCode, fields: ProblemFields = {}): IdempotencyProblem {
  const row: ProblemRow = PROBLEMS[code];
  const problem: IdempotencyProblem = { contract: 1, code, ...fields, retryable: row.retryable };
  if (row.retryAfterMs !== undefined) problem.retryAfterMs ??= row.retryAfterMs;
  return problem;
}

/** Of several problems that apply the one to answer. */
export function firstProblem(codes: readonly ProblemCode[]): ProblemCode | undefined {
  return codes.toSorted((a, b) => PROBLEMS[a].precedence - PROBLEMS[b].precedence)[0];
}

/** All codes that may come with an HTTP status. */
export function problemCodesOfHttpStatus(status: number): ProblemCode[] {
  return PROBLEM_CODES.filter((code) => {
    const row = problemRow(code);
    return row.httpStatus === status || row.alternative?.httpStatus === status;
  });
}

/** All codes that may come with a tRPC error code. */
export function problemCodesOfTrpcCode(trpcCode: string): ProblemCode[] {
  return PROBLEM_CODES.filter((code) => {
    const row = problemRow(code);
    return row.trpcCode === trpcCode || row.alternative?.trpcCode === trpcCode;
  });
}

type Loose = Record<string, unknown>;
const isObject = (value: unknown): value is Loose => typeof value === 'object' && value !== null;
const isCode = (value: unknown): value is ProblemCode =>
  typeof value === 'string' && Object.hasOwn(PROBLEMS, value);
const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0;

/**
 * Finds the problem in an answer: the object itself, a problem+json document, a tRPC error (`data.idempotency`), its
 * envelope (`error.data…`, also as superjson leaves it, `error.json.data…`). `undefined` when there is none, or one of
 * another contract or an unknown code. Optional members of a wrong type are dropped and `retryable` is taken from the
 * table when absent: a half-readable problem still has to stop a client from renewing its key. Never throws.
 */
export function parseIdempotencyProblem(value: unknown): IdempotencyProblem | undefined {
  let found: unknown = value;
  for (let depth = 0; depth < 6 && isObject(found); depth++) {
    if (found.contract === 1 && isCode(found.code)) return problemFrom(found, found.code);
    found = found.idempotency ?? found.data ?? found.error ?? found.json;
  }
  return undefined;
}

function problemFrom(from: Loose, code: ProblemCode): IdempotencyProblem {
  const { operationId, state, attempt, expiresAt, retryAfterMs, retryable } = from;
  const problem: IdempotencyProblem = {
    contract: 1,
    code,
    retryable: typeof retryable === 'boolean' ? retryable : PROBLEMS[code].retryable,
  };
  if (typeof operationId === 'string') problem.operationId = operationId;
  const known = OPERATION_STATES.find((name) => name === state);
  if (known) problem.state = known;
  if (isCount(attempt)) problem.attempt = attempt;
  if (typeof expiresAt === 'string' && !Number.isNaN(Date.parse(expiresAt))) problem.expiresAt = expiresAt;
  if (isCount(retryAfterMs)) problem.retryAfterMs = retryAfterMs;
  return problem;
}
