import type pg from 'pg';

/** What every connection of the store has in common. */
export function connectionConfig(connection: string | pg.PoolConfig): pg.PoolConfig {
  const given = typeof connection === 'string' ? { connectionString: connection } : connection;
  return {
    connectionTimeoutMillis: 2_000,
    keepAlive: true,
    fallback_application_name: 'semel',
    ...given,
    // Several statements in one flight: `client.query()` again without awaiting.
    pipeline: true,
  };
}
