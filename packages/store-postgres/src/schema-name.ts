/**
 * A schema name that may stand in SQL text: lower case, so that it means the same quoted and unquoted.
 * Everything else is refused rather than escaped: names come from configuration, and a slip must not become SQL.
 */
export function schemaName(name: string): string {
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(name) || name.startsWith('pg_')) {
    throw new TypeError(
      'schema must be a plain lower-case Postgres identifier (a-z, 0-9, _; not starting with a digit or pg_)',
    );
  }
  return name;
}
