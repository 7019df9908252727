import { parseArgs } from 'node:util';
import { createApiKey, listApiKeys, revokeApiKey } from './access/api-keys.ts';
import { role } from './access/roles.ts';
import { migrateDatabase } from './database/migrate.ts';
import { createReadPool, type Queryable } from './database/pool.ts';
import { runningPostgresUrl, startServices } from './embedded.ts';
import { readSettings } from './settings.ts';

const USAGE = `usage:
  npm run keys -- create --tenant T --role ${role.options.join('|')} [--role …]
  npm run keys -- list
  npm run keys -- revoke --id key_…`;

/** A mistake in the command line: said without a stack. */
class UsageError extends Error {}

async function run(args: readonly string[], db: Queryable): Promise<string> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { tenant: { type: 'string' }, role: { type: 'string', multiple: true }, id: { type: 'string' } },
  });
  switch (positionals.join(' ')) {
    case 'create': {
      const roles = role
        .array()
        .min(1)
        .safeParse(values.role ?? []);
      if (!roles.success || !/^[a-z0-9][a-z0-9_-]{0,62}$/.test(values.tenant ?? ''))
        throw new UsageError(USAGE);
      const { key, stored } = await createApiKey(db, {
        tenantId: values.tenant as string,
        roles: roles.data,
      });
      return `${key}\n\n${stored.id} for ${stored.tenantId} (${stored.roles.join(', ')}). The key is shown this once: only its hash is kept.`;
    }
    case 'list': {
      const keys = await listApiKeys(db);
      const lines = keys.map(({ id, tenantId, roles, createdAt, revokedAt }) =>
        [
          id,
          tenantId,
          roles.join(','),
          createdAt.toISOString(),
          revokedAt ? `revoked ${revokedAt.toISOString()}` : 'active',
        ].join('\t'),
      );
      return lines.length === 0 ? 'There are no keys yet.' : lines.join('\n');
    }
    case 'revoke': {
      if (values.id === undefined) throw new UsageError(USAGE);
      if (!(await revokeApiKey(db, values.id))) throw new UsageError(`There is no active key ${values.id}.`);
      return `${values.id} is revoked: it stops working with the next call.`;
    }
    default:
      throw new UsageError(USAGE);
  }
}

/** The database of the settings, that of a server which runs here, or the embedded one, started for this command alone. */
async function openDatabase(): Promise<{ url: string; stop(): Promise<void> }> {
  const settings = readSettings(process.env);
  const url = settings.databaseUrl ?? runningPostgresUrl(settings);
  if (url !== undefined) return { url, stop: async () => {} };
  // Postgres alone is needed for this: the other addresses are never asked.
  const nobody = 'http://127.0.0.1:9';
  const services = await startServices({
    ...settings,
    redisUrl: nobody,
    providerUrl: nobody,
    billingUrl: nobody,
    rosterUrl: nobody,
  });
  return { url: services.databaseUrl, stop: () => services.stop() };
}

let stop: (() => Promise<void>) | undefined;
try {
  const database = await openDatabase();
  stop = database.stop;
  await migrateDatabase(database.url);
  const db = createReadPool(database.url, () => {});
  try {
    console.log(await run(process.argv.slice(2), db));
  } finally {
    await db.end();
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  await stop?.();
}
