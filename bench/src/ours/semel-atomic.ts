import type { Peer } from '../peers/peer.ts';
import { semelOnTrpc } from './semel-trpc.ts';

export const semelAtomic: Peer = semelOnTrpc(
  {
    name: 'semel-atomic',
    promises:
      'effect and record commit together or not at all; a second execution is impossible; duplicates wait up to 1 s for the answer; history kept; records in Postgres',
    configuration: "mode: 'atomic', all else at its default",
  },
  () => ({ mode: 'atomic' }),
  (input, operation, create) => create(input, operation.tx),
);
