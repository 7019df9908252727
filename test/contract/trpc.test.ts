import { asks, TRPC } from './asks.ts';
import { startTrpcThings } from './trpc-things.ts';

const trpc = { name: 'tRPC', capabilities: TRPC, start: startTrpcThings };

if (process.env.CI !== undefined) {
  asks(trpc, 'in memory', 'atomic', 'conflict');
  asks(trpc, 'in memory', 'leased', 'wait');
}
asks(trpc, 'on Postgres', 'atomic', 'wait');
asks(trpc, 'on Postgres', 'leased', 'conflict');
