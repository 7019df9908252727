import { createSemel, type Semel } from '@semel/server';
import type { Layer } from '@semel/server/store';
import { createPostgresStore, migratePostgres } from '@semel/store-postgres';
import type pg from 'pg';
import type { Services } from '../peers/peer.ts';
import { openThings, type Things } from '../things.ts';

export interface Opened {
  readonly things: Things;
  readonly semel: Semel<pg.ClientBase>;
  close(): Promise<void>;
}

/** What is asked before the store; ours to close. */
export interface InFront {
  readonly layers: readonly Layer[];
  close(): Promise<void>;
}

/** Semel as its README starts it, on the Postgres store, with all defaults. */
export async function openSemel({ postgres, armed }: Services, inFront?: InFront): Promise<Opened> {
  const things = await openThings(postgres, armed);
  await migratePostgres({ connection: postgres });
  const store = createPostgresStore({ connection: postgres });
  const semel = createSemel({ store, ...(inFront && { layers: inFront.layers }) });
  return {
    things,
    semel,
    async close() {
      await semel.close();
      await inFront?.close();
      await store.close();
      await things.close();
    },
  };
}
