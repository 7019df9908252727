import { onExpress } from './express-road.ts';
import type { Peer } from './peer.ts';
import { versionOf } from './version-of.ts';

/** What Express middleware is compared with: the handler on Express, and nothing around it. */
export const bareExpress: Peer = onExpress(
  {
    name: 'bare-express',
    version: `express ${versionOf('express')}`,
    promises: 'nothing: every request runs',
    configuration: 'as bare, on Express',
    durable: false,
  },
  async () => ({ middleware: [], isAnswered: () => false }),
);
