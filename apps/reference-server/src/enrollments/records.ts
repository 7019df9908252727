import type { Queryable } from '../database/pool.ts';
import type { Enrollment, EnrollmentRequest } from './enrollment.ts';

/** Whether that student of that tenant is in that course. */
export async function isEnrolled(
  tx: Queryable,
  tenantId: string,
  { studentId, courseId }: EnrollmentRequest,
): Promise<boolean> {
  const { rows } = await tx.query(
    'SELECT FROM campus.enrollment WHERE tenant_id = $1 AND student_id = $2 AND course_id = $3',
    [tenantId, studentId, courseId],
  );
  return rows.length > 0;
}

/** @returns `false`, and writes nothing, when another operation has enrolled the student there */
export async function insertEnrollment(
  tx: Queryable,
  {
    tenantId,
    operationId,
    enrollment,
  }: { readonly tenantId: string; readonly operationId: string; readonly enrollment: Enrollment },
): Promise<boolean> {
  const { id, studentId, courseId, invoiceId, seat } = enrollment;
  const { rowCount } = await tx.query(
    `INSERT INTO campus.enrollment (tenant_id, id, operation_id, student_id, course_id, invoice_id, seat)
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT ON CONSTRAINT enrollment_one_per_course DO NOTHING`,
    [tenantId, id, operationId, studentId, courseId, invoiceId, seat],
  );
  return rowCount === 1;
}
