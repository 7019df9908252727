import { guarded } from './guarded.ts';
import type { Peer } from './peer.ts';
import { versionOf } from './version-of.ts';

/** What everything is compared with: the handler, and nothing around it. */
export const bare: Peer = guarded(
  {
    name: 'bare',
    version: `@trpc/server ${versionOf('@trpc/server')}, pg ${versionOf('pg')}`,
    promises: 'nothing: every request runs',
    configuration: 'one prepared INSERT, pool of 10',
    durable: false,
  },
  async (things) => ({
    run: async (_key, input) => ({ status: 201, body: await things.create(input) }),
  }),
);
