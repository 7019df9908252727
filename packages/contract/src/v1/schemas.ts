import { z } from 'zod';
import type { AcceptedBody } from './accepted.ts';
import type { InputEnvelope } from './envelope.ts';
import type { IdempotencyKey } from './key.ts';
import type { StoredOutcome } from './outcome.ts';
import { type IdempotencyProblem, PROBLEM_CODES, PROBLEMS, type ProblemCode } from './problems.ts';
import { OPERATION_STATES, TRANSITION_CAUSES, type TransitionCause } from './states.ts';
import type { Job, OperationStatus, StatusInput } from './status.ts';

// Readers of version 1 must accept members that they don't know, so that one can be added: z.object strips them.
// The envelope around an input is the exception, since an unknown member beside `input` would be a lost part of the input.

const Key = z.string().regex(/^[!-~]{1,255}$/, '1 to 255 characters of visible ASCII');
const Duration = z.number().nonnegative();
const Time = z.iso.datetime();
const State = z.enum(OPERATION_STATES);
const Cause = z.enum(TRANSITION_CAUSES as readonly [TransitionCause, ...TransitionCause[]]);
const Code = z.enum(PROBLEM_CODES as readonly [ProblemCode, ...ProblemCode[]]);
const Serialized = z.object({ json: z.unknown().optional(), meta: z.unknown().optional() });

export const IdempotencyKeySchema = z
  .object({ key: Key, ageMs: Duration.exactOptional() })
  .readonly() satisfies z.ZodType<IdempotencyKey>;

export const InputEnvelopeSchema = z.strictObject({
  $idempotency: z.object({ key: Key, ageMs: Duration.exactOptional() }),
  input: z.unknown(),
}) satisfies z.ZodType<InputEnvelope>;

export const IdempotencyProblemSchema = z
  .object({
    contract: z.literal(1),
    code: Code,
    operationId: z.string().min(1).exactOptional(),
    state: State.exactOptional(),
    attempt: z.int().nonnegative().exactOptional(),
    expiresAt: Time.exactOptional(),
    retryAfterMs: Duration.exactOptional(),
    retryable: z.boolean(),
  })
  .refine((problem) => problem.retryable === PROBLEMS[problem.code].retryable, {
    message: 'retryable follows from the code',
    path: ['retryable'],
  }) satisfies z.ZodType<IdempotencyProblem>;

export const AcceptedBodySchema = z.object({
  $idempotency: z.literal('accepted'),
  operationId: z.string().min(1),
  pollAfterMs: Duration,
}) satisfies z.ZodType<AcceptedBody>;

export const StoredOutcomeSchema = z.union([
  z.strictObject({ v: z.literal(1), gone: z.enum(['too_large', 'purged', 'unreadable']), ok: z.boolean() }),
  z.object({ v: z.literal(1), ok: z.literal(true), value: Serialized, gone: z.undefined().exactOptional() }),
  z.object({
    v: z.literal(1),
    ok: z.literal(false),
    error: z.object({
      httpStatus: z.int(),
      code: z.string(),
      message: z.string(),
      shape: Serialized.exactOptional(),
    }),
  }),
]) as unknown as z.ZodType<StoredOutcome>;

const TransitionRecordSchema = z.object({
  seq: z.int().nonnegative(),
  from: State.nullable(),
  to: State,
  attempt: z.int().nonnegative(),
  at: Time,
  cause: Cause,
});

export const OperationStatusSchema = z.discriminatedUnion('state', [
  z.object({
    operationId: z.string().min(1),
    procedure: z.string().min(1),
    state: State,
    attempt: z.int().nonnegative(),
    createdAt: Time,
    updatedAt: Time,
    expiresAt: Time.exactOptional(),
    outcome: StoredOutcomeSchema.exactOptional(),
    progress: z.unknown().optional(),
    retryAfterMs: Duration.exactOptional(),
    transitions: z.array(TransitionRecordSchema),
  }),
  z.object({
    state: z.literal('not_found'),
    operationId: z.string().exactOptional(),
    procedure: z.string().exactOptional(),
  }),
]) satisfies z.ZodType<OperationStatus>;

export const StatusInputSchema = z.union([
  z.strictObject({ operationId: z.string().min(1).max(255) }),
  z.strictObject({ procedure: z.string().min(1).max(255), key: Key }),
]) satisfies z.ZodType<StatusInput>;

export const JobSchema = z.object({
  v: z.literal(1),
  operationId: z.string().min(1),
  scope: z.string().min(1),
  procedure: z.string().min(1),
  traceparent: z.string().exactOptional(),
}) satisfies z.ZodType<Job>;
