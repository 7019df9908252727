import { type Check, ok, warning } from '../check.ts';
import type { Examination } from '../examination.ts';

/** Of the role and the database: handlers' transactions set their own, the store's other statements don't. */
const SHORTEST_MS = {
  statement_timeout: [
    2000,
    'A claim or settlement that has to wait for a moment is cut off, and the request is answered 503.',
  ],
  lock_timeout: [1000, 'Writes that meet on one row give up at once, and requests are answered 503.'],
  idle_session_timeout: [
    60_000,
    'Idle connections of the pool are cut: the next statement on each has to be sent again.',
  ],
  transaction_timeout: [
    60_000,
    'It also ends the transactions of handlers, which have a limit of their own (maxRunMs of the policy).',
  ],
} as const;

export const checkTimeouts: Examination = async ({ database }) => {
  const rows = await database.query<{ name: string; ms: number }>(
    `SELECT name, (CASE unit WHEN 's' THEN setting::bigint * 1000 WHEN 'min' THEN setting::bigint * 60000
       ELSE setting::bigint END)::int AS ms
     FROM pg_settings WHERE name = ANY ($1)`,
    [Object.keys(SHORTEST_MS)],
  );
  const short: Check[] = [];
  for (const { name, ms } of rows) {
    const [least, why] = SHORTEST_MS[name as keyof typeof SHORTEST_MS];
    if (ms > 0 && ms < least) {
      short.push(
        warning(
          `postgres.${name}`,
          `${ms} ms`,
          why,
          `ALTER ROLE … SET ${name} = 0, or at least ${least} ms.`,
        ),
      );
    }
  }
  return short.length > 0 ? short : [ok('postgres.timeouts', 'none that cuts the store off')];
};
