import { duration } from '../../terminal/ages.ts';
import { type Check, ok, skipped, warning, wrong } from '../check.ts';
import type { Examination } from '../examination.ts';

/** The sweep passes what is a minute old, every few seconds. */
const BEHIND_MS = 3 * 60_000;
const LONG_BEHIND_MS = 15 * 60_000;
/** Ids are random: the first so many after the cursor are as good as any. */
const SAMPLE = 1000;

/** Recovery and retention leave how far they have come; what lies where they should have been says whether they live. */
export const checkSweeps: Examination = async ({ database, settings: { schema } }) => [
  await orphans(database, schema),
  await retention(database, schema),
];

type Queries = Parameters<Examination>[0]['database'];

async function orphans(database: Queries, schema: string): Promise<Check> {
  const name = 'sweeps.orphans';
  const [row] = await database.query<{ behind: number | null; lost: number }>(
    `SELECT (SELECT (extract(epoch FROM clock_timestamp() - o.claimed_at) * 1000)::float8
         FROM "${schema}".operation o, "${schema}".sweep s
         WHERE s.name = 'orphans' AND o.mode <> 'atomic' AND (o.claimed_at, o.operation_id) > (s.cursor_at, s.cursor_id)
         ORDER BY o.claimed_at, o.operation_id LIMIT 1) AS behind,
       (SELECT count(*)::int FROM "${schema}".sweep s, unnest(s.stragglers) AS id
         JOIN "${schema}".operation o ON o.operation_id = id
         WHERE s.name = 'orphans' AND o.state = 'processing' AND o.on_crash = 'suspend'
           AND o.lease_until < clock_timestamp() - interval '3 minutes') AS lost`,
  );
  const behind = row?.behind ?? 0;
  const lost = row?.lost ?? 0;
  if (behind < BEHIND_MS && lost === 0) return ok(name, 'up to date');
  const found = lost > 0 ? `${lost} lost attempts wait to be found` : `${duration(behind)} behind`;
  const why = 'Attempts whose server died stay processing: their callers get in_flight until somebody looks.';
  const fix =
    'Let at least one server run with recovery (createSemel({ recovery }) is on unless it is false), and look at its recovery_failed events.';
  return behind > LONG_BEHIND_MS || lost > 0 ? wrong(name, found, why, fix) : warning(name, found, why, fix);
}

async function retention(database: Queries, schema: string): Promise<Check> {
  const name = 'sweeps.retention';
  const [row] = await database.query<{ looked: number; overdue: number }>(
    `SELECT count(*)::int AS looked,
       (count(*) FILTER (WHERE expires_at < clock_timestamp() - interval '2 hours'))::int AS overdue
     FROM (SELECT o.expires_at FROM "${schema}".operation o
       WHERE o.operation_id > (SELECT cursor_id FROM "${schema}".sweep WHERE name = 'expired')
       ORDER BY o.operation_id LIMIT ${SAMPLE}) sample`,
  );
  if (row === undefined || row.looked === 0) return skipped(name, 'nothing to look at');
  const { looked, overdue } = row;
  if (overdue <= looked * 0.05) return ok(name, `${overdue} of ${looked} looked at are overdue`);
  return warning(
    name,
    `${overdue} of ${looked} looked at expired more than 2 h ago`,
    'What should be deleted is kept: the table grows, and so does what it holds of people.',
    'Let at least one server run with recovery. After a long pause it catches up by itself.',
  );
}
