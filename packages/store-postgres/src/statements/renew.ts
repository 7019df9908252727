// In:     $1 operation ids, $2 owners, $3 attempts: arrays of one length.
// Out:    operation id and attempt of those whose lease was extended.
// Atomic: all leases of a process in one statement. HOT. No transition: neither history nor version knows of it.
//         LATERAL, and `few`: each row by its index, whenever the plan was made.
//         `renew` skips rows that are locked: one transaction stuck in its last flight must not let every other lease
//         of the process run out. `renewLocked` waits for those that `renew` left (under the caller's lock_timeout).
import { CLOCK, few, statement } from './statement.ts';

const renewing = (s: string, lock: string) => `
WITH clock AS MATERIALIZED (SELECT ${CLOCK} AS now),
wanted AS (
  SELECT * FROM unnest($1::text[], $2::text[], $3::integer[]) AS w (operation_id, owner, attempt) ORDER BY 1
),
held AS (
  SELECT o.operation_id, w.attempt FROM wanted w CROSS JOIN LATERAL (
    SELECT o.operation_id FROM ${s}.operation o
    WHERE o.operation_id = w.operation_id AND o.owner = w.owner AND o.attempt = w.attempt AND o.state = 'processing'
    FOR NO KEY UPDATE ${lock}
  ) o
)
UPDATE ${s}.operation t SET lease_until = now + t.lease_ms * interval '1 millisecond'
FROM held, clock
WHERE t.operation_id = held.operation_id AND ${few('held.attempt')}
RETURNING t.operation_id, t.attempt`;

export const renew = (s: string) => statement('renew', renewing(s, 'SKIP LOCKED'));
export const renewLocked = (s: string) => statement('renew_locked', renewing(s, ''));
