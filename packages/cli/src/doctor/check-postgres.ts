import { causeOf } from '../connect/failures.ts';
import { type Database, openDatabase } from '../connect/query.ts';
import { databaseOf, type Settings } from '../connect/settings.ts';
import { masked } from '../terminal/masked.ts';
import { type Check, ok, skipped, wrong } from './check.ts';
import { checkBacklog } from './checks/backlog.ts';
import { checkConnections } from './checks/connections.ts';
import { checkDurability } from './checks/durability.ts';
import { checkPooler } from './checks/pooler.ts';
import { checkQueue } from './checks/queue.ts';
import { checkRights } from './checks/rights.ts';
import { checkSchema } from './checks/schema.ts';
import { checkServer } from './checks/server.ts';
import { checkSweeps } from './checks/sweeps.ts';
import { checkTable } from './checks/table.ts';
import { checkTimeouts } from './checks/timeouts.ts';
import type { Examination, Patient } from './examination.ts';

/** In the order in which a reader wants them. */
const ALWAYS: readonly (readonly [string, Examination])[] = [
  ['postgres', checkServer],
  ['postgres.durability', checkDurability],
  ['postgres.timeouts', checkTimeouts],
  ['postgres.connections', checkConnections],
  ['postgres.pooler', checkPooler],
];

/** Those that read our own tables. */
const WITH_SCHEMA: readonly (readonly [string, Examination])[] = [
  ['rights', checkRights],
  ['table', checkTable],
  ['sweeps', checkSweeps],
  ['backlog', checkBacklog],
  ['queue', checkQueue],
];

export async function checkPostgres(settings: Settings, servers: number): Promise<readonly Check[]> {
  const url = databaseOf(settings);
  let database: Database;
  try {
    database = await openDatabase(url);
  } catch (error) {
    return [
      wrong(
        'postgres.reachable',
        `${masked(url)}: ${causeOf(error)}`,
        'Postgres alone decides who runs: while it is out of reach every keyed request is answered 503.',
        'Check address, role and password, and that this machine may connect.',
      ),
    ];
  }
  const patient: Patient = { database, url, settings, servers };
  try {
    const checks = [ok('postgres.reachable', masked(url))];
    for (const [name, examine] of ALWAYS) checks.push(...(await examined(name, examine, patient)));
    const schema = await examined('schema', checkSchema, patient);
    checks.push(...schema);
    const isUsable = schema.every(({ status }) => status === 'ok' || status === 'warning');
    for (const [name, examine] of WITH_SCHEMA) {
      checks.push(
        ...(isUsable
          ? await examined(name, examine, patient)
          : [skipped(name, 'not looked at: the schema comes first')]),
      );
    }
    return checks;
  } finally {
    await database.close().catch(() => {});
  }
}

/** One look that fails doesn't keep the others from being taken. */
async function examined(name: string, examine: Examination, patient: Patient): Promise<readonly Check[]> {
  try {
    return await examine(patient);
  } catch (error) {
    return [
      wrong(
        name,
        `could not be looked at: ${causeOf(error)}`,
        'What is not seen may be wrong.',
        'See the message.',
      ),
    ];
  }
}
