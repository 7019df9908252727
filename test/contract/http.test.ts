import { asks, HTTP } from './asks.ts';
import { startHttpThings } from './http-things.ts';

const node = {
  name: 'HTTP on Node',
  capabilities: HTTP,
  start: startHttpThings,
};

if (process.env.CI !== undefined) {
  asks(node, 'in memory', 'atomic', 'wait');
  asks(node, 'in memory', 'leased', 'conflict');
}
asks(node, 'on Postgres', 'atomic', 'conflict');
asks(node, 'on Postgres', 'leased', 'wait');
