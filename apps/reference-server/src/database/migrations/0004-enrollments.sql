-- Enrollments: what billing and roster, outside, have both agreed to. Tenant first in every key.
CREATE SCHEMA campus;
CREATE TABLE campus.enrollment (
  tenant_id    text COLLATE "C" NOT NULL,
  id           text COLLATE "C" NOT NULL,
  -- The operation that made it: one enrollment each, whatever the engine does.
  operation_id text COLLATE "C" NOT NULL,
  student_id   text COLLATE "C" NOT NULL,
  course_id    text COLLATE "C" NOT NULL,
  invoice_id   text COLLATE "C" NOT NULL,
  seat         integer NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT enrollment_identity PRIMARY KEY (tenant_id, id),
  CONSTRAINT enrollment_one_per_operation UNIQUE (tenant_id, operation_id),
  -- The last line: also two different keys, which are two operations, can't enroll a student twice.
  CONSTRAINT enrollment_one_per_course UNIQUE (tenant_id, student_id, course_id),
  CONSTRAINT enrollment_one_per_invoice UNIQUE (tenant_id, invoice_id),
  CONSTRAINT enrollment_seat CHECK (seat >= 1)
);
