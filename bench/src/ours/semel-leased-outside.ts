import type { Peer } from '../peers/peer.ts';
import { semelOnTrpc } from './semel-trpc.ts';

/** The effect is somewhere else, as it is for the peers: here a commit of its own, elsewhere a call to a provider. */
export const semelLeasedOutside: Peer = semelOnTrpc(
  {
    name: 'semel-leased-outside',
    promises:
      'claimed first, lease renewed while it runs; the effect is on its own, so after a crash nobody runs it again and the key answers outcome_unknown until someone decides; records in Postgres',
    configuration: "mode: 'leased', all else at its default; the effect beside the record, as with the peers",
  },
  (leaseMs) => ({ mode: 'leased', ...(leaseMs !== undefined && { leaseMs }) }),
  (input, _operation, create) => create(input),
);
