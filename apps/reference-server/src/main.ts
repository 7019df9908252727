import cluster from 'node:cluster';
import { parseArgs } from 'node:util';
import { migratePostgres } from '@semel/store-postgres';
import { DEMO_KEYS, ensureDemoKeys } from './access/demo-keys.ts';
import { banner } from './banner.ts';
import { migrateDatabase } from './database/migrate.ts';
import { createReadPool } from './database/pool.ts';
import { type Services, startServices } from './embedded.ts';
import { createMetricsOfAll } from './processes/metrics-of-all.ts';
import { type Servers, startServers } from './processes/servers.ts';
import { createReferenceServer } from './server.ts';
import { readSettings, type Settings } from './settings.ts';

/** After the drain's own deadline: for closing what the drain left, before the process ends anyway. */
const CLOSING_MS = 1_000;

if (cluster.isPrimary) await lead();
else await serve();

/** `npm start [-- --servers 3]`: the services, the migrations, then one server here or several processes behind one port. */
async function lead(): Promise<void> {
  let services: Services | undefined;
  let servers: Servers;
  let settings: Settings;
  try {
    settings = readSettings({ ...process.env, ...given() });
    services = await startServices(settings);
    const { databaseUrl, redisUrl, providerUrl, campus } = services;
    const [billingUrl, rosterUrl] = [campus.billing?.url, campus.roster?.url];
    settings = { ...settings, databaseUrl, redisUrl, providerUrl, billingUrl, rosterUrl };
    await migrateDatabase(databaseUrl);
    await migratePostgres({ connection: databaseUrl });
    if (settings.demoKeys) await withDatabase(databaseUrl, ensureDemoKeys);
    servers = settings.servers > 1 ? await startServers(settings) : await startHere(settings);
  } catch (error) {
    await giveUp(error, services);
    return;
  }
  const { url } = servers;
  const demoKeys = settings.demoKeys ? DEMO_KEYS : [];
  console.log(banner({ url, servers: settings.servers, services, demoKeys }));
  process.send?.({ ready: true, url });
  const { stop } = services;
  onSignal(settings, async () => {
    await servers.drain();
    await stop();
  });
}

/** One of several processes: everything is there, and its settings say where. */
async function serve(): Promise<void> {
  try {
    const settings = readSettings(process.env);
    const server = await createReferenceServer({ settings, metricsOfAll: createMetricsOfAll() });
    onSignal(settings, () => server.drain(drainMs(settings)));
  } catch (error) {
    await giveUp(error);
  }
}

async function startHere(settings: Settings): Promise<Servers> {
  const server = await createReferenceServer({ settings });
  return { url: server.url, drain: async () => void (await server.drain(drainMs(settings))) };
}

function given(): { SERVERS?: string } {
  const { servers } = parseArgs({ options: { servers: { type: 'string' } } }).values;
  return servers === undefined ? {} : { SERVERS: servers };
}

const drainMs = (settings: Settings): number => Math.max(0, settings.drainMs - CLOSING_MS);

function onSignal(settings: Settings, stop: () => Promise<unknown>): void {
  let isStopping = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (isStopping) return;
      isStopping = true;
      // Whatever hangs: it ends within its deadline. What isn't finished is picked up by the caller's retry.
      setTimeout(() => process.exit(0), settings.drainMs).unref();
      stop().then(
        () => process.exit(0),
        (error: unknown) => {
          console.error('reference-server: could not stop cleanly:', error);
          process.exit(1);
        },
      );
    });
  }
}

async function giveUp(error: unknown, services?: Services): Promise<never> {
  // One message for a person; the stack only where it isn't about settings or a taken port.
  console.error(error instanceof Error ? `reference-server: ${error.message}` : error);
  await services?.stop();
  process.exit(1);
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
