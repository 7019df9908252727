import { z } from 'zod';

/** Names that the school gave: visible ASCII, as they go into scopes, URLs of others and log lines. */
const name = z.string().regex(/^[\x21-\x7e]{1,100}$/, 'must be 1 to 100 visible ASCII characters');

export const enrollmentRequest = z
  .object({ studentId: name, courseId: name })
  .meta({ id: 'EnrollmentRequest' });
export type EnrollmentRequest = z.infer<typeof enrollmentRequest>;

/** An enrollment as every carrier shows it. */
export const enrollment = z
  .object({
    id: z.string(),
    studentId: z.string(),
    courseId: z.string(),
    invoiceId: z.string().describe("The billing service's"),
    seat: z.int().describe("Number of the seat in the course, from 1; the roster's"),
  })
  .meta({ id: 'Enrollment' });
export type Enrollment = z.infer<typeof enrollment>;
