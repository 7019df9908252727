import { DBOS } from '@dbos-inc/dbos-sdk';
import type { Thing, ThingInput, Things } from '../things.ts';
import { guarded } from './guarded.ts';
import type { Peer } from './peer.ts';
import { versionOf } from './version-of.ts';

/** DBOS is one per process: workflows are registered before it is launched, and find what they need here. */
let things: Things;
const create = DBOS.registerWorkflow(
  (input: ThingInput): Promise<Thing> => DBOS.runStep(() => things.create(input), { name: 'create' }),
  { name: 'create' },
);

export const dbos: Peer = guarded(
  {
    name: 'dbos',
    version: `@dbos-inc/dbos-sdk ${versionOf('@dbos-inc/dbos-sdk')}`,
    promises:
      'a workflow runs to its end and its result is kept; a step at least once; duplicates wait for the result; records in Postgres',
    configuration: 'a workflow of one step, workflow id = key; all options at their defaults',
    durable: true,
  },
  async (opened, { postgres }) => {
    things = opened;
    DBOS.setConfig({ name: 'bench', systemDatabaseUrl: postgres, logLevel: 'error' });
    await DBOS.launch();
    return {
      async run(key, input) {
        const handle = await DBOS.startWorkflow(create, key === undefined ? {} : { workflowID: key })(input);
        return { status: 201, body: await handle.getResult() };
      },
      close: () => DBOS.shutdown(),
    };
  },
);
