import { ok, wrong } from '../check.ts';
import type { Examination } from '../examination.ts';

/** What the store's statements do to each of its tables. History is only added to, but for retention. */
const NEEDED: Readonly<Record<string, string>> = {
  operation: 'SELECT,INSERT,UPDATE,DELETE',
  transition: 'SELECT,INSERT,DELETE',
  step: 'SELECT,INSERT,DELETE',
  rejected_transition: 'SELECT,INSERT,UPDATE,DELETE',
  purge: 'SELECT,INSERT',
  work: 'SELECT,INSERT,UPDATE,DELETE',
  progress: 'SELECT,INSERT,UPDATE,DELETE',
  decision: 'SELECT,INSERT,DELETE',
  attention: 'SELECT,INSERT,UPDATE,DELETE',
  sweep: 'SELECT,UPDATE',
};

const FUNCTIONS = (schema: string): readonly string[] => [
  `"${schema}".require(boolean, text)`,
  `"${schema}".open_atomic(bigint, text, text, text, text, text)`,
  'pg_catalog.pg_try_advisory_xact_lock(bigint)',
  'pg_catalog.pg_current_xact_id()',
  'pg_catalog.pg_xact_status(xid8)',
];

export const checkRights: Examination = async ({ database, settings: { schema } }) => {
  const tables = Object.entries(NEEDED).flatMap(([table, rights]) =>
    rights.split(',').map((right) => ({ table: `"${schema}".${table}`, right })),
  );
  const [role] = await database.query<{ role: string; usage: boolean }>(
    `SELECT current_user AS role, has_schema_privilege($1, 'USAGE') AS usage`,
    [schema],
  );
  const missing = await database.query<{ what: string }>(
    `SELECT wanted_right || ' on ' || wanted_table AS what
     FROM unnest($1::text[], $2::text[]) AS t (wanted_table, wanted_right)
     WHERE NOT has_table_privilege(wanted_table, wanted_right)
     UNION ALL
     SELECT 'EXECUTE on ' || f FROM unnest($3::text[]) AS f WHERE NOT has_function_privilege(f, 'EXECUTE')`,
    [tables.map(({ table }) => table), tables.map(({ right }) => right), FUNCTIONS(schema)],
  );
  const lacks = [...(role?.usage === true ? [] : [`USAGE on ${schema}`]), ...missing.map(({ what }) => what)];
  const who = role?.role ?? 'this role';
  if (lacks.length === 0) return [ok('rights', `${who} may read and write every table`)];
  const shown = lacks.slice(0, 4).join(', ') + (lacks.length > 4 ? ` and ${lacks.length - 4} more` : '');
  return [
    wrong(
      'rights',
      `${who} lacks ${shown}`,
      'Some requests, sweeps or decisions fail, and perhaps only in the case that nobody has tried.',
      `GRANT USAGE ON SCHEMA ${schema} TO ${who}; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO ${who};`,
    ),
  ];
};
