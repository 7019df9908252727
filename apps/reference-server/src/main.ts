import { migratePostgres } from '@semel/store-postgres';
import { DEMO_KEYS, ensureDemoKeys } from './access/demo-keys.ts';
import { banner } from './banner.ts';
import { migrateDatabase } from './database/migrate.ts';
import { createReadPool } from './database/pool.ts';
import { type Services, startServices } from './embedded.ts';
import { createReferenceServer, type ReferenceServer } from './server.ts';
import { readSettings, type Settings } from './settings.ts';

/** After the drain's own deadline: for closing what the drain left, before the process ends anyway. */
const CLOSING_MS = 1_000;

let services: Services | undefined;
let server: ReferenceServer | undefined;
let settings: Settings;
try {
  settings = readSettings(process.env);
  services = await startServices(settings);
  const { databaseUrl, providerUrl, campus } = services;
  const [billingUrl, rosterUrl] = [campus.billing?.url, campus.roster?.url];
  settings = { ...settings, databaseUrl, providerUrl, billingUrl, rosterUrl };
  await migrateDatabase(databaseUrl);
  await migratePostgres({ connection: databaseUrl });
  if (settings.demoKeys) await withDatabase(databaseUrl, ensureDemoKeys);
  server = await createReferenceServer({ settings });
} catch (error) {
  // One message for a person; the stack only where it isn't about settings or a taken port.
  console.error(error instanceof Error ? `reference-server: ${error.message}` : error);
  await services?.stop();
  process.exit(1);
}

console.log(banner({ url: server.url, services, demoKeys: settings.demoKeys ? DEMO_KEYS : [] }));
process.send?.({ ready: true, url: server.url });

const stop = async (): Promise<void> => {
  // Whatever hangs: it ends within its deadline. What isn't finished is picked up by the caller's retry.
  setTimeout(() => process.exit(0), settings.drainMs).unref();
  await server.drain(Math.max(0, settings.drainMs - CLOSING_MS));
  await services.stop();
  process.exit(0);
};
let isStopping = false;
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    if (isStopping) return;
    isStopping = true;
    stop().catch((error: unknown) => {
      console.error('reference-server: could not stop cleanly:', error);
      process.exit(1);
    });
  });
}

async function withDatabase<T>(
  url: string,
  work: (db: ReturnType<typeof createReadPool>) => Promise<T>,
): Promise<T> {
  const db = createReadPool(url, () => {});
  try {
    return await work(db);
  } finally {
    await db.end();
  }
}
