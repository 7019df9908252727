import { type CampusOracle, type CampusService, campusOracle, createCampusService } from '@semel/campus-sim';
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest';
import { createRig, type Rig, refusal, until } from '../testing/rig.ts';
import type {} from '../testing/vitest-context.ts';
import type { EnrollmentRequest } from './enrollment.ts';

let rig: Rig;
let services: CampusService[];
let billing: CampusOracle;
let roster: CampusOracle;
beforeAll(async () => {
  services = [await createCampusService('billing'), await createCampusService('roster')];
  [billing, roster] = services.map(({ url }) => campusOracle(url)) as [CampusOracle, CampusOracle];
  rig = await createRig(inject('databaseUrl'), {
    billingUrl: billing.url,
    rosterUrl: `${roster.url}/`,
    enrollment: { leaseMs: 30_000, timeoutMs: 3_000 },
  });
});
afterEach(async () => {
  await Promise.all([billing.setFaults({}), roster.setFaults({})]);
});
afterAll(async () => {
  await rig.close();
  await Promise.all(services.map((service) => service.close()));
});

const enroll = (key: string, request: EnrollmentRequest, apiKey = 'sk_demo_acme') =>
  rig.client(apiKey, key).enrollments.create.mutate(request);
const rows = async (studentId: string) => {
  const { rows } = await rig.database.pool.query(
    `SELECT tenant_id AS "tenantId", id, course_id AS "courseId", invoice_id AS "invoiceId", seat
     FROM campus.enrollment WHERE student_id = $1 ORDER BY created_at`,
    [studentId],
  );
  return rows as { tenantId: string; id: string; courseId: string; invoiceId: string; seat: number }[];
};
/** How often something really happened: invoices written, seats given, rows stored. */
const counts = async (studentId: string) => ({
  invoices: (await billing.invoices({ studentId })).map(({ state }) => state),
  seats: (await roster.seats({ studentId })).map(({ state }) => state),
  rows: (await rows(studentId)).length,
});
const ONCE = { invoices: ['open'], seats: ['taken'], rows: 1 };
const NO_ANSWER = { code: 'BAD_GATEWAY', httpStatus: 502 };

test('an enrollment has one invoice, one seat and one row, and a repetition gets it again', async () => {
  const request = { studentId: 'once', courseId: 'algebra' };
  const first = await enroll('e-1', request);
  expect(first).toStrictEqual({
    id: expect.stringMatching(/^enr_/),
    ...request,
    invoiceId: expect.stringMatching(/^inv_/),
    seat: 1,
  });
  expect(await enroll('e-1', request)).toStrictEqual(first);
  expect(await counts('once')).toStrictEqual(ONCE);
  expect(await rows('once')).toStrictEqual([
    { tenantId: 'acme', id: first.id, courseId: 'algebra', invoiceId: first.invoiceId, seat: 1 },
  ]);
  expect(await billing.invoices({ reference: first.id })).toHaveLength(1);
  expect(await roster.seats({ reference: first.id })).toHaveLength(1);
});

test('the services are asked under the child keys of the operation, which are fixed for ever', async () => {
  await enroll('e-golden', { studentId: 'golden', courseId: 'algebra' });
  const [invoice] = await billing.invoices({ studentId: 'golden' });
  const [seat] = await roster.seats({ studentId: 'golden' });
  expect([invoice?.idempotencyKey, seat?.idempotencyKey]).toStrictEqual([
    'mCMOdobH22T1vFoAgXyC5fvlF1V_Z9AJK4vLGscK7vg',
    'Mu3yz-gQ-5JjFcr6UREpqF79wuyfmkajVxCbAzr7eHE',
  ]);
});

test.each([
  ['billing', 'connection'],
  ['billing', 'body'],
  ['roster', 'connection'],
  ['roster', 'body'],
] as const)(
  'an answer of %s that is lost (%s) is 502, and the same key gets the enrollment',
  async (who, loseHow) => {
    const request = { studentId: `lost-${who}-${loseHow}`, courseId: 'algebra' };
    await (who === 'billing' ? billing : roster).setFaults({ loseAnswers: 1, loseHow });
    expect(await refusal(enroll('e-lost', request))).toMatchObject({
      ...NO_ANSWER,
      message: `The ${who} service gave no definite answer`,
    });
    expect(await rows(request.studentId)).toStrictEqual([]);
    expect(await enroll('e-lost', request)).toMatchObject({ courseId: 'algebra' });
    expect(await counts(request.studentId)).toStrictEqual(ONCE);
  },
);

test.each(['billing', 'roster'] as const)('an answer of %s that never comes is 502 in time', async (who) => {
  const request = { studentId: `hang-${who}`, courseId: 'algebra' };
  await (who === 'billing' ? billing : roster).setFaults({ hangNext: 1 });
  expect(await refusal(enroll('e-hang', request))).toMatchObject(NO_ANSWER);
  await enroll('e-hang', request);
  expect(await counts(request.studentId)).toStrictEqual(ONCE);
});

test.each(['billing', 'roster'] as const)('a 503 of %s is 502, and nothing was done there', async (who) => {
  const request = { studentId: `down-${who}`, courseId: 'algebra' };
  await (who === 'billing' ? billing : roster).setFaults({ failNext: 1, status: 503 });
  expect(await refusal(enroll('e-down', request))).toMatchObject(NO_ANSWER);
  expect((await counts(request.studentId)).seats).toStrictEqual([]);
  await enroll('e-down', request);
  expect(await counts(request.studentId)).toStrictEqual(ONCE);
});

test('billing that is still at work when the caller comes again does not pass for a "no"', async () => {
  const request = { studentId: 'stalled', courseId: 'algebra' };
  await billing.setFaults({ stallMs: 60_000 });
  expect(await refusal(enroll('e-stall', request))).toMatchObject(NO_ANSWER); // our patience is 3 s
  expect(await refusal(enroll('e-stall', request))).toMatchObject(NO_ANSWER); // there: in_flight, a 409
  await billing.setFaults({});
  await until(async () => ((await billing.invoices({ studentId: 'stalled' })).length > 0 ? true : undefined));
  await enroll('e-stall', request);
  expect(await counts('stalled')).toStrictEqual(ONCE);
});

test('a full course is 409, the invoice is void, and the refusal is replayed without asking again', async () => {
  const request = { studentId: 'late', courseId: 'full' };
  await roster.setCapacity('full', 0);
  const first = await refusal(enroll('e-full', request));
  expect(first).toMatchObject({
    code: 'CONFLICT',
    httpStatus: 409,
    message: 'The course is full: course_full',
  });
  const asked = (await billing.requests()).length + (await roster.requests()).length;
  expect(await refusal(enroll('e-full', request))).toStrictEqual(first);
  expect((await billing.requests()).length + (await roster.requests()).length).toBe(asked);
  expect(await counts('late')).toStrictEqual({ invoices: ['void'], seats: [], rows: 0 });
});

test.each([
  ['is lost', { loseAnswers: 1 }, 'void'],
  ['is a 500 without an effect', { failNext: 1 }, 'open'],
] as const)(
  'where the answer to making the invoice void %s, the next attempt sees to it',
  async (how, fault, state) => {
    const request = { studentId: `void-${state}`, courseId: 'full' };
    await roster.setCapacity('full', 0);
    await roster.setFaults({ delayMs: 60_000 });
    const call = refusal(enroll('e-void', request));
    // The invoice is written and the roster has decided; what billing is asked next is to make it void.
    const ofThis = async () => (await roster.requests()).filter(({ delivered }) => delivered === null);
    await until(async () => ((await ofThis()).length > 0 ? true : undefined));
    await billing.setFaults(fault);
    await roster.setFaults({});
    expect([how, await call]).toMatchObject([how, NO_ANSWER]);
    expect((await counts(request.studentId)).invoices).toStrictEqual([state]);
    expect(await refusal(enroll('e-void', request))).toMatchObject({ httpStatus: 409 });
    expect(await counts(request.studentId)).toStrictEqual({ invoices: ['void'], seats: [], rows: 0 });
  },
);

test('a student whose account is on hold is refused with 402 before a seat is asked for', async () => {
  const request = { studentId: 'debtor', courseId: 'algebra' };
  await billing.setHold('acme', 'debtor', true);
  const before = (await roster.requests()).length;
  const first = await refusal(enroll('e-hold', request));
  expect(first).toMatchObject({ code: 'PAYMENT_REQUIRED', httpStatus: 402 });
  expect(await refusal(enroll('e-hold', request))).toStrictEqual(first);
  expect(await counts('debtor')).toStrictEqual({ invoices: [], seats: [], rows: 0 });
  expect((await roster.requests()).length).toBe(before);
});

test('a student who is enrolled is refused under another key before anything is written', async () => {
  const request = { studentId: 'again', courseId: 'algebra' };
  await enroll('e-again-1', request);
  const second = await refusal(enroll('e-again-2', request));
  expect(second).toMatchObject({ httpStatus: 409, message: expect.stringContaining('already_enrolled') });
  expect(await counts('again')).toStrictEqual(ONCE);
});

test('of two keys at the same moment for one seat, one enrolls and the other leaves nothing open', async () => {
  const request = { studentId: 'twins', courseId: 'algebra' };
  await roster.setFaults({ stallMs: 60_000 });
  const both = Promise.allSettled([enroll('e-twin-1', request), enroll('e-twin-2', request)]);
  await until(async () => ((await billing.invoices({ studentId: 'twins' })).length === 2 ? true : undefined));
  await roster.setFaults({});
  const calls = await both;
  expect(calls.map(({ status }) => status).toSorted()).toStrictEqual(['fulfilled', 'rejected']);
  const { invoices, seats, rows } = await counts('twins');
  expect({ invoices: invoices.filter((state) => state === 'open'), seats, rows }).toStrictEqual(ONCE);
});

test('where the roster lets two pass, the table does not: seat and invoice of the second are given back', async () => {
  await roster.setFaults({ stallMs: 60_000 });
  const second = refusal(enroll('e-last', { studentId: 'last', courseId: 'algebra' }));
  await until(async () => ((await billing.invoices({ studentId: 'last' })).length > 0 ? true : undefined));
  await rig.database.pool.query(
    `INSERT INTO campus.enrollment (tenant_id, id, operation_id, student_id, course_id, invoice_id, seat)
     VALUES ('acme', 'enr_other', 'other', 'last', 'algebra', 'inv_other', 1)`,
  );
  await roster.setFaults({});
  const refused = await second;
  expect(refused).toMatchObject({ httpStatus: 409, message: expect.stringContaining('already_enrolled') });
  expect(await counts('last')).toStrictEqual({ invoices: ['void'], seats: ['released'], rows: 1 });
  expect(await refusal(enroll('e-last', { studentId: 'last', courseId: 'algebra' }))).toStrictEqual(refused);
});

test('an attempt that goes on keeps to what the first one looked up, and gives the invoice back', async () => {
  const request = { studentId: 'goes-on', courseId: 'algebra' };
  await roster.setFaults({ failNext: 1 });
  expect(await refusal(enroll('e-goes-on', request))).toMatchObject(NO_ANSWER);
  expect(await counts('goes-on')).toStrictEqual({ invoices: ['open'], seats: [], rows: 0 });
  await rig.database.pool.query(
    `INSERT INTO campus.enrollment (tenant_id, id, operation_id, student_id, course_id, invoice_id, seat)
     VALUES ('acme', 'enr_goes_on', 'goes-on', 'goes-on', 'algebra', 'inv_goes_on', 1)`,
  );
  expect(await refusal(enroll('e-goes-on', request))).toMatchObject({ httpStatus: 409 });
  expect(await counts('goes-on')).toStrictEqual({ invoices: ['void'], seats: ['released'], rows: 1 });
});

test('once settled, the key gets its first enrollment, whatever course is named', async () => {
  const first = await enroll('e-lenient', { studentId: 'lena', courseId: 'algebra' });
  expect(await enroll('e-lenient', { studentId: 'lena', courseId: 'biology' })).toStrictEqual(first);
  expect(await counts('lena')).toStrictEqual(ONCE);
});

test('a refusal is settled too: another course under its key gets that refusal', async () => {
  await roster.setCapacity('full', 0);
  const first = await refusal(enroll('e-no', { studentId: 'nora', courseId: 'full' }));
  expect(await refusal(enroll('e-no', { studentId: 'nora', courseId: 'algebra' }))).toStrictEqual(first);
  expect(await enroll('e-yes', { studentId: 'nora', courseId: 'algebra' })).toMatchObject({
    courseId: 'algebra',
  });
});

test('while it runs, and while it waits for the next attempt, another course is key_reused', async () => {
  const reused = { httpStatus: 422, idempotency: { code: 'key_reused' } };
  const other = () => refusal(enroll('e-early', { studentId: 'erin', courseId: 'biology' }));
  await billing.setFaults({ stallMs: 60_000 });
  const first = refusal(enroll('e-early', { studentId: 'erin', courseId: 'algebra' }));
  const arrived = async () => (await billing.requests()).some(({ status }) => status === null) || undefined;
  await until(arrived);
  expect(await other()).toMatchObject(reused); // processing
  await billing.setFaults({ loseAnswers: 1 });
  expect(await first).toMatchObject(NO_ANSWER);
  expect(await other()).toMatchObject(reused); // released
  await billing.setFaults({});
  const made = await enroll('e-early', { studentId: 'erin', courseId: 'algebra' });
  expect(made.courseId).toBe('algebra');
  expect(await enroll('e-early', { studentId: 'erin', courseId: 'biology' })).toStrictEqual(made); // settled
  expect(await counts('erin')).toStrictEqual(ONCE);
});

test('two students with the same key have two operations', async () => {
  const [a, b] = await Promise.all([
    enroll('e-shared', { studentId: 'uma', courseId: 'algebra' }),
    enroll('e-shared', { studentId: 'vic', courseId: 'algebra' }),
  ]);
  expect(a.id).not.toBe(b.id);
  expect([a.studentId, b.studentId]).toStrictEqual(['uma', 'vic']);
  expect([await counts('uma'), await counts('vic')]).toStrictEqual([ONCE, ONCE]);
});

test('two tenants with a student of the same name and the same key have two operations', async () => {
  const request = { studentId: 'namesake', courseId: 'chemistry' };
  const [a, b] = await Promise.all([
    enroll('e-tenants', request),
    enroll('e-tenants', request, 'sk_demo_globex'),
  ]);
  expect(a.id).not.toBe(b.id);
  expect([a.seat, b.seat]).toStrictEqual([1, 1]); // each school's own course
  const keys = (await billing.invoices({ studentId: 'namesake' })).map(
    ({ idempotencyKey }) => idempotencyKey,
  );
  expect(new Set(keys).size).toBe(2);
  expect((await rows('namesake')).map(({ tenantId }) => tenantId).toSorted()).toStrictEqual([
    'acme',
    'globex',
  ]);
});

test.each([
  ['studentId', { studentId: '', courseId: 'algebra' }],
  ['studentId', { studentId: 'a b', courseId: 'algebra' }],
  ['studentId', { studentId: 7, courseId: 'algebra' }],
  ['courseId', { studentId: 'zoe', courseId: 'x'.repeat(101) }],
  ['courseId', { studentId: 'zoe' }],
])('a wrong %s is 400, names the field, and leaves the key unused', async (path, request) => {
  expect(await refusal(enroll('e-wrong', request as never))).toMatchObject({
    httpStatus: 400,
    issues: [{ path, message: expect.any(String) }],
  });
});

test('a call without a key is refused, and nobody is asked', async () => {
  const call = rig
    .client('sk_demo_acme')
    .enrollments.create.mutate({ studentId: 'keyless', courseId: 'algebra' });
  expect(await refusal(call)).toMatchObject({ httpStatus: 400, idempotency: { code: 'key_missing' } });
  expect(await counts('keyless')).toStrictEqual({ invoices: [], seats: [], rows: 0 });
});

test('the log lines of an enrollment say what each service answered', async () => {
  await enroll('e-log', { studentId: 'logged', courseId: 'algebra' });
  const said = rig.logs.filter(({ event, key }) => event === 'campus_answered' && key === 'e-log');
  expect(said).toMatchObject([
    { step: 'billing', answer: 'made', tenant: 'acme', attempt: 1 },
    { step: 'roster', answer: 'made', tenant: 'acme', attempt: 1 },
  ]);
  const executed = rig.logs.find(({ event, key }) => event === 'executed' && key === 'e-log');
  expect(executed).toMatchObject({ tenant: 'acme', procedure: 'enrollments.create' }); // not 4:acme/logged
});

test('REST is another carrier of the same operation', async () => {
  const request = { studentId: 'rest', courseId: 'algebra' };
  const made = await enroll('e-rest', request);
  const answer = await fetch(`${rig.server.url}/v1/enrollments`, {
    method: 'POST',
    headers: {
      authorization: 'Bearer sk_demo_acme',
      'content-type': 'application/json',
      'idempotency-key': 'e-rest',
    },
    body: JSON.stringify(request),
  });
  expect([answer.status, answer.headers.get('idempotency-replayed')]).toStrictEqual([201, 'true']);
  expect(await answer.json()).toStrictEqual(made);
  expect(await counts('rest')).toStrictEqual(ONCE);
});

test('the status of an enrollment is found by its operation, by its own tenant', async () => {
  const made = await enroll('e-status', { studentId: 'stan', courseId: 'algebra' });
  const asked = { operationId: made.id.slice('enr_'.length) };
  expect(await rig.client('sk_demo_acme').idempotency.status.query(asked)).toMatchObject({
    state: 'completed',
    procedure: 'enrollments.create',
  });
  expect(await rig.client('sk_demo_globex').idempotency.status.query(asked)).toMatchObject({
    state: 'not_found',
  });
});

// The query names no student, so it looks in the tenant's own scope, where no narrowed operation is. Saying `not_found` of
// something recorded is wrong. This turns red when it is mended.
test.fails('known gap, the question names no student: status by procedure and key', async () => {
  await enroll('e-by-key', { studentId: 'kay', courseId: 'algebra' });
  const asked = { procedure: 'enrollments.create', key: 'e-by-key' };
  expect(await rig.client('sk_demo_acme').idempotency.status.query(asked)).toMatchObject({
    state: 'completed',
  });
});

test('a server without the services says so, and claims nothing', async () => {
  const alone = await createRig(inject('databaseUrl'));
  try {
    const call = alone.client('sk_demo_acme', 'e-none').enrollments.create;
    expect(await refusal(call.mutate({ studentId: 'ada', courseId: 'algebra' }))).toMatchObject({
      code: 'NOT_IMPLEMENTED',
      httpStatus: 501,
    });
    const { rows } = await alone.database.pool.query('SELECT FROM semel.operation');
    expect(rows).toStrictEqual([]);
  } finally {
    await alone.close();
  }
});
