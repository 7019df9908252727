import type { Peer } from '../peers/peer.ts';
import { semelOnTrpc } from './semel-trpc.ts';

export const semelLeased: Peer = semelOnTrpc(
  {
    name: 'semel-leased',
    promises:
      'claimed first, lease renewed while it runs, every write fenced; effect and outcome in one commit; after a crash the next attempt goes on; records in Postgres',
    configuration: "mode: 'leased', effects: 'steps', the effect in operation.settle",
  },
  (leaseMs) => ({ mode: 'leased', effects: 'steps', ...(leaseMs !== undefined && { leaseMs }) }),
  (input, operation, create) => operation.settle((tx) => create(input, tx)),
);
