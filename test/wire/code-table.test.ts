import { afterEach, describe, expect, test } from 'vitest';
import { type Answer, CARRIERS, type Call, type CarrierName, connect } from '../fixtures/carriers.ts';
import { elsewhere, type Stage, type StageOptions, size, stage } from './situations.ts';

type Mode = 'atomic' | 'leased';

/** What a situation does before the call whose answer is looked at. */
interface Before {
  readonly stage: Stage;
  readonly mode: Mode;
  /** The same client that makes the call. */
  send(call: Call): Promise<unknown>;
  /** Sends a call and resolves when its handler is running; it ends after the test has looked. */
  start(call: Call): Promise<void>;
}

interface Row {
  readonly when: string;
  readonly modes?: readonly Mode[];
  readonly notOn?: readonly CarrierName[];
  readonly options?: StageOptions;
  readonly before?: (before: Before) => unknown;
  readonly call: Omit<Call, 'path'>;
  readonly answer: {
    readonly status: number;
    readonly trpc: string;
    readonly problem: object;
    readonly retryAfter: string | null;
    readonly operation?: unknown;
    readonly cacheControl?: string | null;
  };
  /** Handlers run in the whole scene, and operations on record after it. */
  readonly runs: number;
  readonly records: number;
}

const OPERATION_ID = /^[\w-]{22,40}$/;
const anId = expect.stringMatching(OPERATION_ID);
const SETTLED = { operationId: anId, state: 'completed', attempt: 1, expiresAt: '2027-01-16T08:00:00.000Z' };
const other = { n: 2 };
const same = { n: 1 };

const TABLE: readonly Row[] = [
  {
    when: 'key_missing: none was sent where one is required',
    call: { input: same },
    answer: {
      status: 400,
      trpc: 'BAD_REQUEST',
      problem: { contract: 1, code: 'key_missing', retryable: false },
      retryAfter: null,
      cacheControl: null,
    },
    runs: 0,
    records: 0,
  },
  {
    when: 'key_malformed: it holds a space',
    call: { input: same, key: 'two words' },
    answer: {
      status: 400,
      trpc: 'BAD_REQUEST',
      problem: { contract: 1, code: 'key_malformed', retryable: false },
      retryAfter: null,
    },
    runs: 0,
    records: 0,
  },
  {
    when: 'key_malformed: it has 256 characters',
    call: { input: same, key: 'x'.repeat(256) },
    answer: {
      status: 400,
      trpc: 'BAD_REQUEST',
      problem: { contract: 1, code: 'key_malformed', retryable: false },
      retryAfter: null,
    },
    runs: 0,
    records: 0,
  },
  {
    when: 'contract_unsupported: version 2 was asked for',
    // A socket's headers belong to the connection: there the envelope's form is the version.
    notOn: ['socket'],
    call: { input: same, key: 'k', contract: '2' },
    answer: {
      status: 400,
      trpc: 'BAD_REQUEST',
      problem: { contract: 1, code: 'contract_unsupported', retryable: false },
      retryAfter: null,
    },
    runs: 0,
    records: 0,
  },
  {
    when: 'key_reused: a settled operation, another input',
    before: ({ send, mode }) => send({ path: mode, input: same, key: 'k' }),
    call: { input: other, key: 'k' },
    answer: {
      status: 422,
      trpc: 'UNPROCESSABLE_CONTENT',
      problem: { contract: 1, code: 'key_reused', retryable: false, ...SETTLED },
      retryAfter: null,
      operation: anId,
    },
    runs: 1,
    records: 1,
  },
  {
    when: 'key_reused: as 409 where the policy says so',
    options: { policy: { mismatchStatus: 409 } },
    before: ({ send, mode }) => send({ path: mode, input: same, key: 'k' }),
    call: { input: other, key: 'k' },
    answer: {
      status: 409,
      trpc: 'CONFLICT',
      problem: { contract: 1, code: 'key_reused', retryable: false, ...SETTLED },
      retryAfter: null,
      operation: anId,
    },
    runs: 1,
    records: 1,
  },
  {
    when: 'key_reused: while this process runs the operation with another input',
    modes: ['leased'],
    before: ({ start, mode }) => start({ path: mode, input: same, key: 'k' }),
    call: { input: other, key: 'k' },
    answer: {
      status: 422,
      trpc: 'UNPROCESSABLE_CONTENT',
      problem: { contract: 1, code: 'key_reused', retryable: false },
      retryAfter: null,
    },
    runs: 1,
    records: 1,
  },
  {
    when: 'key_reused: while another process runs the operation with another input',
    before: ({ stage, mode }) => stage.store.claim(elsewhere(mode, same)),
    call: { input: other, key: 'k' },
    answer: {
      status: 422,
      trpc: 'UNPROCESSABLE_CONTENT',
      problem: {
        contract: 1,
        code: 'key_reused',
        retryable: false,
        operationId: 'planted',
        state: 'processing',
        attempt: 1,
      },
      retryAfter: null,
      operation: 'planted',
    },
    runs: 0,
    records: 1,
  },
  {
    when: 'key_expired: no record, and the key is older than what is kept',
    call: { input: same, key: 'k', ageMs: 86_101_000 },
    answer: {
      status: 409,
      trpc: 'CONFLICT',
      problem: { contract: 1, code: 'key_expired', retryable: false },
      retryAfter: null,
    },
    runs: 0,
    records: 0,
  },
  {
    when: 'in_flight: this process runs it',
    modes: ['leased'],
    options: { policy: { inFlight: 'conflict' } },
    before: ({ start, mode }) => start({ path: mode, input: same, key: 'k' }),
    call: { input: same, key: 'k' },
    answer: {
      status: 409,
      trpc: 'CONFLICT',
      problem: { contract: 1, code: 'in_flight', retryable: true, retryAfterMs: 1000 },
      retryAfter: '1',
    },
    runs: 1,
    records: 1,
  },
  {
    when: 'in_flight: another process runs it under a lease',
    options: { policy: { inFlight: 'conflict' } },
    before: ({ stage, mode }) => stage.store.claim(elsewhere(mode, same)),
    call: { input: same, key: 'k' },
    answer: {
      status: 409,
      trpc: 'CONFLICT',
      problem: {
        contract: 1,
        code: 'in_flight',
        retryable: true,
        retryAfterMs: 250,
        operationId: 'planted',
        state: 'processing',
        attempt: 1,
      },
      retryAfter: '1',
      operation: 'planted',
    },
    runs: 0,
    records: 1,
  },
  {
    when: 'in_flight: another process runs it in a transaction that shows nothing yet',
    modes: ['atomic'],
    options: { policy: { inFlight: 'conflict' } },
    before: ({ stage, mode }) => {
      const request = { ...elsewhere(mode, same), mayRun: () => true, timeoutMs: 60_000 };
      void stage.store.atomically(request, () => new Promise<never>(() => {}));
    },
    call: { input: same, key: 'k' },
    answer: {
      status: 409,
      trpc: 'CONFLICT',
      problem: { contract: 1, code: 'in_flight', retryable: true, retryAfterMs: 100 },
      retryAfter: '1',
    },
    runs: 0,
    records: 0,
  },
  {
    when: 'outcome_unknown: the operation is suspended',
    before: async ({ stage, mode }) => {
      const won = await stage.store.claim(elsewhere(mode, same));
      if (!won.won) throw new Error('the plant was refused');
      await stage.store.settle(
        won.claim,
        { to: 'suspended', cause: 'outcome_unknown' },
        { actor: 'recovery' },
      );
    },
    call: { input: same, key: 'k' },
    answer: {
      status: 409,
      trpc: 'CONFLICT',
      problem: {
        contract: 1,
        code: 'outcome_unknown',
        retryable: true,
        retryAfterMs: 30_000,
        operationId: 'planted',
        state: 'suspended',
        attempt: 1,
      },
      retryAfter: '30',
      operation: 'planted',
    },
    runs: 0,
    records: 1,
  },
  {
    when: "outcome_unknown: another process' lease ran out, and its record says to suspend",
    before: async ({ stage, mode }) => {
      await stage.store.claim(elsewhere(mode, same));
      stage.clock.now += 30_000;
    },
    call: { input: same, key: 'k' },
    answer: {
      status: 409,
      trpc: 'CONFLICT',
      problem: {
        contract: 1,
        code: 'outcome_unknown',
        retryable: true,
        retryAfterMs: 30_000,
        operationId: 'planted',
        state: 'suspended',
        attempt: 1,
      },
      retryAfter: '30',
      operation: 'planted',
    },
    runs: 0,
    records: 1,
  },
  {
    when: 'lease_lost: another process took over while the handler ran',
    modes: ['leased'],
    options: {
      handler: async ({ store, clock }, { id }) => {
        clock.now += 30_000;
        const seen = await store.find(id);
        if (seen === undefined) throw new Error('no record of a running operation');
        const taken = await store.take(elsewhere('leased', same), seen.record, 'overtaken');
        if (!taken.won) throw new Error('the take-over was refused');
        return 'late';
      },
    },
    call: { input: same, key: 'k' },
    answer: {
      status: 409,
      trpc: 'CONFLICT',
      problem: {
        contract: 1,
        code: 'lease_lost',
        retryable: true,
        retryAfterMs: 1000,
        operationId: anId,
        state: 'processing',
        attempt: 2,
      },
      retryAfter: '1',
      operation: anId,
    },
    runs: 1,
    records: 1,
  },
  {
    when: 'outcome_gone: the answer was too large to keep',
    options: { policy: { maxOutcomeBytes: 64 }, handler: () => 'x'.repeat(65) },
    before: ({ send, mode }) => send({ path: mode, input: same, key: 'k' }),
    call: { input: same, key: 'k' },
    answer: {
      status: 409,
      trpc: 'CONFLICT',
      problem: { contract: 1, code: 'outcome_gone', retryable: false, ...SETTLED },
      retryAfter: null,
      operation: anId,
    },
    runs: 1,
    records: 1,
  },
  {
    when: 'store_unavailable: the store is away',
    options: { storeIsAway: true },
    call: { input: same, key: 'k' },
    answer: {
      status: 503,
      trpc: 'SERVICE_UNAVAILABLE',
      problem: { contract: 1, code: 'store_unavailable', retryable: true, retryAfterMs: 2000 },
      retryAfter: '2',
    },
    runs: 0,
    records: 0,
  },
  {
    when: 'store_unavailable: the server is draining',
    before: ({ stage }) => stage.server.semel.drain(0),
    call: { input: same, key: 'k' },
    answer: {
      status: 503,
      trpc: 'SERVICE_UNAVAILABLE',
      problem: { contract: 1, code: 'store_unavailable', retryable: true, retryAfterMs: 1000 },
      retryAfter: '1',
    },
    runs: 0,
    records: 0,
  },
];

const CASES = TABLE.flatMap((row) =>
  (row.modes ?? (['atomic', 'leased'] as const)).flatMap((mode) =>
    CARRIERS.filter((carrier) => !row.notOn?.includes(carrier)).map((carrier) => ({ ...row, mode, carrier })),
  ),
);

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** HTTP status of a whole answer: the call's own on its own, "various" among neighbours, and a stream's is sent first. */
const statusLine = (carrier: CarrierName, own: number) =>
  ({ single: own, batch: 207, 'batch-stream': 200, socket: undefined })[carrier];

describe('the code table', () => {
  test.each(CASES)('$mode over $carrier — $when', async ({ mode, carrier, ...row }) => {
    const begun = Promise.withResolvers<void>();
    const looked = Promise.withResolvers<void>();
    let first: Promise<Answer> | undefined;
    const handler = async (staged: Stage, operation: { readonly id: string }) => {
      begun.resolve();
      if (first !== undefined) await looked.promise;
      return row.options?.handler === undefined ? 'done' : row.options.handler(staged, operation);
    };
    const staged = await stage({ ...row.options, handler });
    const client = connect(carrier, staged.server);
    cleanups.push(staged.server.close, client.close);
    const start = (call: Call) => {
      first = client.call(call);
      return begun.promise;
    };
    await row.before?.({ stage: staged, mode, send: client.call, start });

    const answer = await client.call({ path: mode, ...row.call });

    const {
      status,
      trpc,
      problem,
      retryAfter,
      operation = null,
      cacheControl = 'private, no-store',
    } = row.answer;
    expect(answer.shape).toMatchObject({ data: { code: trpc, httpStatus: status, path: mode } });
    expect(answer.shape.data.idempotency).toEqual(problem);
    expect(answer.shape.message.startsWith(`${answer.shape.data.idempotency.code}: `)).toBe(true);
    expect(answer.status).toBe(statusLine(carrier, status));
    if (carrier !== 'socket') {
      expect(answer.headers?.get('cache-control')).toBe(cacheControl);
      expect(answer.headers?.get('idempotency-replayed')).toBe(null);
      // One set of headers can't speak for one of three calls.
      expect(answer.headers?.get('retry-after')).toBe(carrier === 'single' ? retryAfter : null);
      expect(answer.headers?.get('idempotency-operation')).toEqual(carrier === 'single' ? operation : null);
    }
    expect(staged.runs).toBe(row.runs);
    expect(await size(staged.store)).toBe(row.records);
    looked.resolve();
    if (first !== undefined) expect((await first).data).toBe('done');
  });
});
