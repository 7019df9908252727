// In:     $1 states or null, $2 procedure or null, $3 id of the last one of the page before, $4 limit,
//         for `listScope` also $5 scope.
// Out:    the store's clock; then of each operation the record (with its identity), last error, dead letter owner. One row of
//         nulls behind the clock where there is none. In the order of ids, which nothing moves.
// Atomic: one read. `listUndecided` and `listAccepted` read what waits and nothing else; `listScope` reads that scope;
//         `listAll` reads on until the page is full.
import { SIGHTING_WITH_IDENTITY } from './record.ts';
import { epochMs, statement } from './statement.ts';

const list = (s: string, name: string, source: string, id: string, guard = '') =>
  statement(
    name,
    `SELECT ${epochMs('clock_timestamp()')}, page.* FROM (SELECT) one LEFT JOIN LATERAL (
  SELECT ${SIGHTING_WITH_IDENTITY}, coalesce(a.last_error, w.last_error), w.dead_letter_owner
  FROM ${source}
  LEFT JOIN LATERAL (SELECT * FROM ${s}.work k WHERE k.operation_id = o.operation_id OFFSET 0) w ON true
  LEFT JOIN LATERAL (SELECT * FROM ${s}.attention k WHERE k.operation_id = o.operation_id OFFSET 0) a ON true
  WHERE ${id} > $3 ${guard} AND ($1::text[] IS NULL OR o.state = ANY ($1::text[])) AND ($2::text IS NULL OR o.procedure = $2)
  ORDER BY ${id} LIMIT $4::integer
) page ON true`,
  );

const through = (s: string, table: string) =>
  `${s}.${table} i CROSS JOIN LATERAL (SELECT * FROM ${s}.operation p WHERE p.operation_id = i.operation_id OFFSET 0) o`;

export const listAll = (s: string) => list(s, 'list_all', `${s}.operation o`, 'o.operation_id');
export const listScope = (s: string) =>
  list(s, 'list_scope', `${s}.operation o`, 'o.operation_id', 'AND o.scope = $5');
export const listUndecided = (s: string) =>
  list(s, 'list_undecided', through(s, 'attention'), 'i.operation_id');
export const listAccepted = (s: string) => list(s, 'list_accepted', through(s, 'work'), 'i.operation_id');
