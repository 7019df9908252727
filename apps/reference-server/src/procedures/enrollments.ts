import { TRPCError } from '@trpc/server';
import { createEnrollment } from '../enrollments/create-enrollment.ts';
import { type EnrollmentRequest, enrollment, enrollmentRequest } from '../enrollments/enrollment.ts';
import { createHttpCampus } from '../enrollments/http-campus.ts';
import type { Settings } from '../settings.ts';
import type { Parts } from './parts.ts';
import { permitted, t } from './trpc.ts';

export const enrollmentsRouter = ({ idempotent, log, settings }: Parts) => {
  const campus = campusFrom(settings);
  const create = permitted('create').use(({ next }) => {
    if (campus === undefined) {
      throw new TRPCError({
        code: 'NOT_IMPLEMENTED',
        message: 'This server enrolls nobody: BILLING_URL and ROSTER_URL are not set',
      });
    }
    return next({ ctx: { campus } });
  });

  return t.router({
    /**
     * Two services outside, each under a child key (`effects: 'steps'`): a broken attempt is gone on with, never begun anew.
     *
     * A student's keys are the student's own (`scope`): the device chooses them, and two devices may choose alike. And the
     * first request is what the student wants (`mismatch: 'replay'`): once it is settled, its key gets its answer, whatever
     * course is named with it later. Until then another course is `key_reused`.
     */
    create: idempotent(create)
      .meta({
        idempotency: {
          mode: 'leased',
          name: 'enrollments.create',
          mismatch: 'replay',
          scope: (input) => (input as EnrollmentRequest).studentId, // every parser has passed
          effects: 'steps',
          leaseMs: settings.enrollment.leaseMs,
        },
        rest: {
          method: 'POST',
          path: '/v1/enrollments',
          status: 201,
          summary: 'Enrolls a student in a course',
          refusals: {
            402: "The student's account is on hold",
            409: "The course is full or the student is in it; or, with the idempotency contract's codes: in flight, unknown, overtaken, gone or expired",
            501: 'This server enrolls nobody',
            502: 'Billing or roster gave no definite answer: ask again with the same key',
          },
        },
      })
      .input(enrollmentRequest)
      .output(enrollment)
      .mutation(({ input, ctx: { operation, principal, campus } }) =>
        createEnrollment(operation, input, { tenantId: principal.tenantId, campus, log }),
      ),
  });
};

function campusFrom({ billingUrl, rosterUrl, enrollment: { timeoutMs } }: Settings) {
  if (billingUrl === undefined || rosterUrl === undefined) return undefined;
  return createHttpCampus({ billingUrl, rosterUrl, timeoutMs });
}
