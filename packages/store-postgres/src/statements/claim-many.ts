// In:     $1-$15 the requests (record.ts), an array for each column, all of one length, in the order of their identities.
// Out:    operation id and the store's clock of those that are new; nothing of those whose identity (or id) was taken.
// Atomic: all records and their first transitions, one commit; a request that loses changes nothing for the others.
//         A batch may have to wait for one of its keys, which somebody is just inserting: not for long, or all the
//         others would wait for that one. The limit ends with the statement's transaction, and is below Postgres'
//         deadlock_timeout: of a batch and a handler's transaction that wait for each other it is the batch that gives up.
import { REQUEST_COLUMNS } from './record.ts';
import { epochMs, NOW, statement } from './statement.ts';

const LOCK_TIMEOUT_MS = 250;

export const claimMany = (s: string) =>
  statement(
    'claim_many',
    `INSERT INTO ${s}.operation (${REQUEST_COLUMNS},
    state, attempt, version, created_at, updated_at, first_claimed_at, claimed_at, lease_until)
SELECT w.*, 'processing', 1, 1, ${NOW}, ${NOW}, ${NOW}, ${NOW}, ${NOW} + w.lease_ms * interval '1 millisecond'
FROM unnest((SELECT $1::text[] WHERE set_config('lock_timeout', '${LOCK_TIMEOUT_MS}', true) IS NOT NULL), $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
    $9::float8[], $10::float8[], $11::float8[], $12::float8[], $13::float8[], $14::text[], $15::text[])
  AS w (${REQUEST_COLUMNS})
ON CONFLICT DO NOTHING
RETURNING operation_id, ${epochMs('created_at')}`,
  );
