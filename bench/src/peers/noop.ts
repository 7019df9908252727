import { guarded } from './guarded.ts';
import type { Peer } from './peer.ts';
import { versionOf } from './version-of.ts';

/** The ceiling: what the road itself costs. */
export const noop: Peer = guarded(
  {
    name: 'noop',
    version: `@trpc/server ${versionOf('@trpc/server')}`,
    promises: 'nothing, and does nothing: the ceiling of this road',
    configuration: 'answers a constant',
    durable: false,
  },
  async () => ({
    run: async (_key, { reference, amount }) => ({ status: 201, body: { id: 'none', reference, amount } }),
  }),
);
