import { describe, expect, expectTypeOf, it } from 'vitest';
import type { z } from 'zod';
import type {
  AcceptedBody,
  IdempotencyKey,
  IdempotencyProblem,
  InputEnvelope,
  Job,
  OperationStatus,
  StatusInput,
  StoredOutcome,
} from './pure.ts';
import {
  createProblem,
  isStoredOutcome,
  PROBLEM_CODES,
  parseJob,
  parseOutcome,
  serializeOutcome,
} from './pure.ts';
import {
  AcceptedBodySchema,
  IdempotencyKeySchema,
  IdempotencyProblemSchema,
  InputEnvelopeSchema,
  JobSchema,
  OperationStatusSchema,
  StatusInputSchema,
  StoredOutcomeSchema,
} from './schemas.ts';

const time = '2026-11-22T06:00:00.000Z';
const status = {
  operationId: 'op_1',
  procedure: 'payments.create',
  state: 'completed',
  attempt: 1,
  createdAt: time,
  updatedAt: time,
  expiresAt: time,
  outcome: { v: 1, ok: true, value: { json: { id: 1 } } },
  transitions: [
    { seq: 1, from: null, to: 'processing', attempt: 1, at: time, cause: 'claimed' },
    { seq: 2, from: 'processing', to: 'completed', attempt: 1, at: time, cause: 'succeeded' },
  ],
} as const;

describe('schemas', () => {
  it('say the same as the types', () => {
    expectTypeOf<z.infer<typeof IdempotencyKeySchema>>().toEqualTypeOf<IdempotencyKey>();
    expectTypeOf<z.infer<typeof IdempotencyProblemSchema>>().toEqualTypeOf<IdempotencyProblem>();
    expectTypeOf<z.infer<typeof AcceptedBodySchema>>().toEqualTypeOf<AcceptedBody>();
    expectTypeOf<z.infer<typeof StoredOutcomeSchema>>().toEqualTypeOf<StoredOutcome>();
    expectTypeOf<z.infer<typeof InputEnvelopeSchema>>().toExtend<InputEnvelope>();
    expectTypeOf<z.infer<typeof OperationStatusSchema>>().toExtend<OperationStatus>();
    expectTypeOf<z.infer<typeof StatusInputSchema>>().toEqualTypeOf<StatusInput>();
    expectTypeOf<z.infer<typeof JobSchema>>().toEqualTypeOf<Job>();
  });

  it('take every problem that the table makes', () => {
    for (const code of PROBLEM_CODES) {
      const problem = createProblem(code, {
        operationId: 'op_1',
        state: 'dead',
        attempt: 3,
        expiresAt: time,
      });
      expect(IdempotencyProblemSchema.parse(problem)).toStrictEqual(problem);
    }
  });

  it.each<[string, z.ZodType, unknown]>([
    ['a key', IdempotencyKeySchema, { key: 'k', ageMs: 5 }],
    ['a key without age', IdempotencyKeySchema, { key: 'k' }],
    ['an envelope', InputEnvelopeSchema, { $idempotency: { key: 'k' }, input: { a: 1 } }],
    [
      'an accepted body',
      AcceptedBodySchema,
      { $idempotency: 'accepted', operationId: 'op_1', pollAfterMs: 0 },
    ],
    ['a status', OperationStatusSchema, status],
    ['a status of nothing', OperationStatusSchema, { state: 'not_found', operationId: 'op_1' }],
    ['an operation id', StatusInputSchema, { operationId: 'op_1' }],
    ['a procedure and key', StatusInputSchema, { procedure: 'payments.create', key: 'k' }],
    ['a job', JobSchema, { v: 1, operationId: 'op_1', scope: 's', procedure: 'p', traceparent: '00-1-2-01' }],
  ])('take %s', (_, schema, value) => {
    expect(schema.parse(value)).toStrictEqual(value);
  });

  it.each<[string, z.ZodType, unknown]>([
    ['a key with a space', IdempotencyKeySchema, { key: 'a b' }],
    ['a key that is too long', IdempotencyKeySchema, { key: 'x'.repeat(256) }],
    [
      'an envelope with a part of the input outside',
      InputEnvelopeSchema,
      { $idempotency: { key: 'k' }, input: 1, b: 2 },
    ],
    [
      'a problem of another contract',
      IdempotencyProblemSchema,
      { ...createProblem('in_flight'), contract: 2 },
    ],
    [
      'a problem that lies about retrying',
      IdempotencyProblemSchema,
      { ...createProblem('key_reused'), retryable: true },
    ],
    ['a status in no known state', OperationStatusSchema, { ...status, state: 'running' }],
    ['a status without history', OperationStatusSchema, { ...status, transitions: undefined }],
    ['both ways to name an operation', StatusInputSchema, { operationId: 'op_1', procedure: 'p', key: 'k' }],
    ['half a name', StatusInputSchema, { procedure: 'p' }],
    ['a job of another version', JobSchema, { v: 2, operationId: 'op_1', scope: 's', procedure: 'p' }],
  ])('refuse %s', (_, schema, value) => {
    expect(schema.safeParse(value).success).toBe(false);
  });
});

describe('a stored outcome', () => {
  const good: StoredOutcome[] = [
    { v: 1, ok: true, value: { json: { id: 1 }, meta: { values: { id: ['bigint'] } } } },
    { v: 1, ok: true, value: { json: null } },
    { v: 1, ok: false, error: { httpStatus: 402, code: 'PAYMENT_REQUIRED', message: 'declined' } },
    {
      v: 1,
      ok: false,
      error: { httpStatus: 409, code: 'CONFLICT', message: 'x', shape: { json: { code: 1 } } },
    },
    { v: 1, gone: 'too_large', ok: true },
    { v: 1, gone: 'purged', ok: false },
    { v: 1, gone: 'unreadable', ok: true },
  ];
  it.each(good)('%j round-trips, and the schema takes it', (outcome) => {
    expect(parseOutcome(serializeOutcome(outcome))).toStrictEqual(outcome);
    expect(StoredOutcomeSchema.parse(outcome)).toStrictEqual(outcome);
  });

  it.each<unknown>([
    null,
    [],
    {},
    { v: 2, ok: true, value: {} },
    { v: 1, ok: true },
    { v: 1, ok: true, value: 5 },
    { v: 1, ok: 'true', value: {} },
    { v: 1, ok: false, value: {} },
    { v: 1, ok: false, error: { httpStatus: '402', code: 'X', message: 'x' } },
    { v: 1, ok: false, error: { httpStatus: 402, message: 'x' } },
    { v: 1, ok: false, error: { httpStatus: 402, code: 'X', message: 'x', shape: 'y' } },
    { v: 1, ok: true, gone: 'lost' },
    { v: 1, gone: 'purged' },
    { v: 1, ok: true, gone: 'lost', value: {} },
  ])('%j is unreadable, to the schema too', (value) => {
    expect(parseOutcome(JSON.stringify(value))).toBeUndefined();
    expect(isStoredOutcome(value)).toBe(false);
    expect(StoredOutcomeSchema.safeParse(value).success).toBe(false);
  });

  it.each(['', '{', '{"v":1,"ok":true,"value":{"json":'])('the text %j is unreadable', (text) => {
    expect(parseOutcome(text)).toBeUndefined();
  });
});

describe('a job', () => {
  it('is read back, without members of a later version', () => {
    const job: Job = { v: 1, operationId: 'op_1', scope: 's', procedure: 'p' };
    expect(parseJob({ ...job, later: 1 })).toStrictEqual(job);
    expect(parseJob({ ...job, traceparent: 't' })).toStrictEqual({ ...job, traceparent: 't' });
  });
  it('of another version or shape is none', () => {
    expect([null, 'x', {}, { v: 1, operationId: 'op_1' }].map(parseJob)).toEqual(Array(4).fill(undefined));
  });
});
