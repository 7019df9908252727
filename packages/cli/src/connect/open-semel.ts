import { createSemel, type Jobs, type Layer, type Semel } from '@semel/server';
import type { Store } from '@semel/server/store';
import { Unable } from '../command.ts';
import { pgBossJobs, postgres } from './packages.ts';
import { databaseOf, type Settings } from './settings.ts';

export interface Opened {
  readonly semel: Semel;
  close(): Promise<void>;
}

export interface Needs {
  /** Redriving sends a job in the store's transaction. */
  readonly jobs?: boolean;
  /** Purging takes answers out of the layers. */
  readonly layers?: readonly Layer[];
}

/** As a server would be, without any of its background work. */
export async function openSemel(settings: Settings, needs: Needs = {}): Promise<Opened> {
  const { given, keyRing } = settings;
  const store = given.store ?? (await openStore(settings));
  const jobs = needs.jobs === true ? (given.jobs ?? (await openJobs(settings))) : undefined;
  const semel = createSemel({
    store,
    ...(jobs && { jobs }),
    ...(needs.layers && { layers: needs.layers }),
    ...(keyRing && { keyRing }),
    recovery: false,
    misuse: false,
  });
  return {
    semel,
    async close() {
      await semel.close();
      if (given.jobs === undefined) await jobs?.close();
      if (given.store === undefined) await store.close();
    },
  };
}

/** Few connections; no prepared statements, so that an old pooler in between is no matter. */
async function openStore(settings: Settings): Promise<Store> {
  const { createPostgresStore } = await postgres();
  return createPostgresStore({
    connection: databaseOf(settings),
    schema: settings.schema,
    handlerConnections: 2,
    controlConnections: 2,
    lookupConnections: 1,
    preparedStatements: false,
  }) as Store;
}

/** Where pg-boss isn't installed there are none: whoever has only leased operations needs no queue. */
async function openJobs(settings: Settings): Promise<Jobs | undefined> {
  const installed = await pgBossJobs().catch((error: unknown) => {
    if (error instanceof Unable) return undefined;
    throw error;
  });
  if (installed === undefined) return undefined;
  const { createPgBossJobs } = installed;
  const { jobsSchema: schema, queue } = settings;
  return createPgBossJobs({
    connection: databaseOf(settings),
    schema,
    queue,
    preparedStatements: false,
  }) as Jobs;
}
