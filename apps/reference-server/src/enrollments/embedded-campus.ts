import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { type Child, startChild } from '@semel/testing/faults';
import type { Settings } from '../settings.ts';
import type { CampusService } from './campus.ts';

/** Where one of the services is. */
export interface CampusAddress {
  readonly url: string;
  readonly isSimulator: boolean;
}

/** Both services, or the reason why nobody is enrolled here: in production nothing is simulated. */
export interface EmbeddedCampus {
  readonly billing: CampusAddress | undefined;
  readonly roster: CampusAddress | undefined;
  stop(): Promise<void>;
}

const SIMULATOR = new URL('../../../campus-sim/src/main.ts', import.meta.url);

/**
 * Starts what the settings give no address of, each a process of its own that ends with this one, also when it is killed.
 *
 * Servers that share a folder share the services of whichever came first: two processes that write one file would each know
 * only half of the keys. When that server ends, the others enroll nobody until a server is started on the folder again; it
 * has the same address then.
 */
export async function startCampus(settings: Settings): Promise<EmbeddedCampus> {
  const children: Child[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(children.splice(0).map((child) => child.terminate()));
  };
  const addressOf = async (service: CampusService, given: string | undefined) => {
    if (given !== undefined) return { url: given, isSimulator: false };
    if (settings.isProduction) return undefined;
    const dataFile = join(settings.dataDir, `${service}.jsonl`);
    const { url, child } = await startOrFind(service, dataFile);
    if (child !== undefined) children.push(child);
    return { url, isSimulator: true };
  };
  const [billing, roster] = await Promise.allSettled([
    addressOf('billing', settings.billingUrl),
    addressOf('roster', settings.rosterUrl),
  ]);
  if (billing.status === 'rejected' || roster.status === 'rejected') {
    await stop();
    throw billing.status === 'rejected' ? billing.reason : (roster as PromiseRejectedResult).reason;
  }
  return { billing: billing.value, roster: roster.value, stop };
}

/** Ports that somebody else may have taken. */
const TRIES = 5;

/** Of a file always the same address: who has the port has the file, and only one process can have it. */
async function startOrFind(
  service: CampusService,
  dataFile: string,
): Promise<{ readonly url: string; readonly child?: Child }> {
  const first = 20_000 + (createHash('sha256').update(dataFile).digest().readUInt32BE() % 10_000);
  for (let port = first; ; port++) {
    const url = `http://127.0.0.1:${port}`;
    if (await serves(url, service, dataFile)) return { url };
    try {
      const child = await startChild({
        file: SIMULATOR,
        args: ['--service', service],
        env: { PORT: String(port), HOST: undefined, CAPACITY: undefined, DATA_FILE: dataFile },
      });
      return { url, child };
    } catch (error) {
      if (await serves(url, service, dataFile)) return { url }; // it was being started by another server
      if (port - first >= TRIES) throw error;
    }
  }
}

async function serves(url: string, service: CampusService, dataFile: string): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/_sim/health`, { signal: AbortSignal.timeout(2_000) });
    const said = (await answer.json()) as { service?: unknown; dataFile?: unknown };
    return said.service === service && said.dataFile === dataFile;
  } catch {
    return false;
  }
}
