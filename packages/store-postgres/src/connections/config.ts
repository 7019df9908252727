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

/** For one connection of a tool: nobody waits behind it, so it may take its time. */
export function toolConfig(connection: string | pg.PoolConfig): pg.ClientConfig {
  const given = typeof connection === 'string' ? { connectionString: connection } : connection;
  return connectionConfig({ connectionTimeoutMillis: 10_000, ...given });
}
