// In:     $1-$15 the request, $16 operation id and $17 version as seen,
//         for `settleExpired` also $18 state, $19 outcome, $20 transaction id,
//         for `enqueueExpired` also $18 principal, $19 input, $20 dead letter owner.
// Out:    the store's clock (and expires_at; `enqueueExpired`: the record), or no row if the old operation isn't (or is no longer) past its grace.
// Atomic: the old operation's children are gone, the row is another operation's, with its first transition.
//         An UPDATE: a DELETE and an INSERT of one key in one statement have no defined order.
import { EXPIRY_GRACE_MS } from '@semel/server/store';
import { RAISED } from '../connections/failures.ts';
import { REQUEST_COLUMNS, REQUEST_PARAMETERS, SIGHTING } from './record.ts';
import { CLOCK, epochMs, freeAt, sameTransaction, statement } from './statement.ts';

const replaceExpired = (s: string, columns: string, values: string, attempt = 1) => `
WITH clock AS MATERIALIZED (SELECT ${CLOCK} AS now),
permit AS MATERIALIZED (SELECT set_config('semel.retention', 'on', true) AS given),
old AS (
  SELECT o.operation_id FROM ${s}.operation o, clock
  WHERE o.operation_id = $16 AND o.version = $17::integer AND ${freeAt('o.expires_at', EXPIRY_GRACE_MS)} <= now
  FOR UPDATE OF o
),
no_steps AS (DELETE FROM ${s}.step c USING old WHERE c.operation_id = old.operation_id),
no_rejections AS (DELETE FROM ${s}.rejected_transition c USING old WHERE c.operation_id = old.operation_id),
no_progress AS (DELETE FROM ${s}.progress c USING old WHERE c.operation_id = old.operation_id),
no_work AS (DELETE FROM ${s}.work c USING old WHERE c.operation_id = old.operation_id),
no_history AS (
  DELETE FROM ${s}.transition c USING old, permit WHERE c.operation_id = old.operation_id AND permit.given = 'on'
),
no_decisions AS (
  DELETE FROM ${s}.decision c USING old, permit WHERE c.operation_id = old.operation_id AND permit.given = 'on'
),
replaced AS (
  UPDATE ${s}.operation t SET
    (${REQUEST_COLUMNS},
     attempt, epoch, version, created_at, updated_at, first_claimed_at, ${columns})
    = ROW (${REQUEST_PARAMETERS},
     ${attempt}, 0, 1, now, now, now, ${values})
  FROM old, clock
  WHERE t.operation_id = old.operation_id
  RETURNING t.*
)`;

/** For a claim: the new operation is `processing`. */
export const takeExpired = (s: string) =>
  statement(
    'take_expired',
    `${replaceExpired(
      s,
      'state, claimed_at, lease_until, expires_at, outcome',
      `'processing', now, now + $9::float8 * interval '1 millisecond', NULL, NULL`,
    )}
SELECT ${epochMs('created_at')} FROM replaced`,
  );

/** For the atomic mode: the new operation is settled at once. Raises if nothing was replaced. */
export const settleExpired = (s: string) =>
  statement(
    'settle_expired',
    `${replaceExpired(
      s,
      'state, claimed_at, lease_until, expires_at, outcome',
      `$18, NULL, NULL, now + $13::float8 * interval '1 millisecond', $19`,
    )}
SELECT ${sameTransaction(s, '$20', RAISED.transactionEnded)},
  ${s}.require((SELECT count(*) FROM replaced) = 1, '${RAISED.overtaken}'),
  (SELECT ${epochMs('expires_at')} FROM replaced)`,
  );

/** For the queue: the new operation is `accepted`, and its work kept. In a transaction that goes on, as `enqueue`. */
export const enqueueExpired = (s: string) =>
  statement(
    'enqueue_expired',
    `${replaceExpired(
      s,
      'state, claimed_at, lease_until, expires_at, outcome',
      `'accepted', NULL, NULL, NULL, NULL`,
      0,
    )},
kept AS (
  INSERT INTO ${s}.work (operation_id, principal, input, dead_letter_owner, due_at)
  SELECT operation_id, $18, $19, $20, created_at FROM replaced
)
SELECT ${SIGHTING} FROM replaced o`,
  );
