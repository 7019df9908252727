import type { Operation } from '@semel/server';
import { TRPCError } from '@trpc/server';
import type { Queryable } from '../database/pool.ts';
import type { Logger } from '../telemetry/logging.ts';
import { type Answer, type Call, type Campus, CampusFailure, type EnrollmentOrder } from './campus.ts';
import type { Enrollment, EnrollmentRequest } from './enrollment.ts';
import { insertEnrollment, isEnrolled } from './records.ts';

export interface CreateEnrollment {
  readonly tenantId: string;
  readonly campus: Campus;
  readonly log: Logger;
}

/**
 * Asks billing for an invoice and the roster for a seat, then writes row and outcome in one commit. A "no" after the
 * invoice makes it void again before the caller is told.
 *
 * Every call outside is a step under a child key of its own, and every decision rests on something recorded: whatever attempt
 * comes next takes the same turns, and is asked for nothing twice.
 */
export async function createEnrollment(
  operation: Operation<Queryable>,
  { studentId, courseId }: EnrollmentRequest,
  { tenantId, campus, log }: CreateEnrollment,
): Promise<Enrollment> {
  const id = `enr_${operation.id}`;
  const order: EnrollmentOrder = { school: tenantId, studentId, courseId, reference: id };
  const ask = askIn(operation, { tenantId, log });

  // Recorded, though it only reads: looked up afresh, an attempt that goes on after the invoice could meet another
  // operation's row here, refuse, and leave that invoice standing.
  const isTaken = await operation.transaction('look', (tx) => isEnrolled(tx, tenantId, order));
  if (isTaken) throw operation.refuse(refusal('already_enrolled'));

  const billed = await ask('billing', order, (call) => campus.invoice(order, call));
  if (billed.kind === 'refused') throw operation.refuse(refusal(billed.code));
  const { invoiceId } = billed;
  const voidInvoice = () => ask('billing-void', invoiceId, (call) => campus.voidInvoice(invoiceId, call));

  const seated = await ask('roster', order, (call) => campus.takeSeat(order, call));
  if (seated.kind === 'refused') {
    await voidInvoice();
    throw operation.refuse(refusal(seated.code));
  }
  const { seatId, seat } = seated;

  const made: Enrollment = { id, studentId, courseId, invoiceId, seat };
  try {
    return await operation.settle(async (tx) => {
      const isNew = await insertEnrollment(tx, { tenantId, operationId: operation.id, enrollment: made });
      if (!isNew) throw new AlreadyEnrolled();
      return made;
    });
  } catch (error) {
    if (!(error instanceof AlreadyEnrolled)) throw error;
    // Another key enrolled the student meanwhile, and the roster let both pass.
    await ask('roster-release', seatId, (call) => campus.releaseSeat(seatId, call));
    await voidInvoice();
    throw operation.refuse(refusal('already_enrolled'));
  }
}

class AlreadyEnrolled extends Error {
  override readonly name = 'AlreadyEnrolled';
}

/** A step that asks one of the services, and says so in the log. */
function askIn(
  { id: operationId, key, attempt, step, signal }: Operation<Queryable>,
  { tenantId: tenant, log }: Pick<CreateEnrollment, 'tenantId' | 'log'>,
) {
  return <A extends { readonly kind: string }>(
    name: string,
    input: unknown,
    call: (call: Call) => Promise<A>,
  ): Promise<A> =>
    step(name, { input }, async (idempotencyKey) => {
      const answered = await call({ idempotencyKey, signal }).catch((error: unknown) => {
        throw errorForCaller(error);
      });
      const said = { step: name, answer: 'code' in answered ? answered.code : answered.kind };
      log.info({ event: 'campus_answered', operationId, key, tenant, attempt, ...said }, 'campus answered');
      return answered;
    });
}

/** 502 tells a client that nobody knows yet, and that the same key may ask again. */
function errorForCaller(error: unknown): TRPCError {
  const message = error instanceof CampusFailure ? error.message : 'The campus services could not be asked';
  return new TRPCError({ code: 'BAD_GATEWAY', message, cause: error });
}

type Code = Extract<Answer<object>, { kind: 'refused' }>['code'] | 'already_enrolled';

const SAID: Readonly<Record<Code, readonly [TRPCError['code'], string]>> = {
  account_on_hold: ['PAYMENT_REQUIRED', "The student's account is on hold"],
  course_full: ['CONFLICT', 'The course is full'],
  already_seated: ['CONFLICT', 'The student is enrolled in this course'],
  already_enrolled: ['CONFLICT', 'The student is enrolled in this course'],
};

function refusal(code: Code): TRPCError {
  const [trpcCode, says] = SAID[code];
  return new TRPCError({ code: trpcCode, message: `${says}: ${code}` });
}
