import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type CampusService, createCampusService } from '@semel/campus-sim';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createRig, type Rig } from '../testing/rig.ts';
import type {} from '../testing/vitest-context.ts';

// Clients in other languages, made from openapi.json alone.

let rig: Rig;
let services: CampusService[];
let folder: string;
beforeAll(async () => {
  services = [await createCampusService('billing'), await createCampusService('roster')];
  const [billingUrl, rosterUrl] = services.map(({ url }) => url);
  rig = await createRig(inject('databaseUrl'), { billingUrl, rosterUrl });
  folder = mkdtempSync(join(tmpdir(), 'openapi-clients-'));
});
afterAll(async () => {
  await rig.close();
  await Promise.all(services.map((service) => service.close()));
  rmSync(folder, { recursive: true, force: true });
});

const has = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0;
const hasPython = has('python3', '-c', 'import sys; assert sys.version_info >= (3, 9)');
const hasPerl = has('perl', '-MOpenAPI::Client', '-e', '1');
if (!hasPython) console.error('\n  NO PYTHON 3 ON THIS MACHINE: the Python client IS NOT CHECKED.\n');
if (!hasPerl) {
  console.error(
    '\n  NO OpenAPI::Client ON THIS MACHINE (Debian: libopenapi-client-perl): the Perl client IS NOT CHECKED.\n',
  );
}

/** What a client printed last. @throws with what it complained of */
async function run(
  command: string,
  script: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<unknown> {
  const file = fileURLToPath(new URL(`./clients/${script}`, import.meta.url));
  const { stdout } = await promisify(execFile)(command, [file, ...args], { env: { ...process.env, ...env } });
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
}

test.runIf(hasPython)('a Python client that knows only openapi.json uses every operation', async () => {
  expect(await run('python3', 'smoke.py', [rig.server.url, 'sk_demo_acme'])).toStrictEqual({
    first: [201, 'captured', null],
    replay: [201, true, 'true'],
    reused: [422, 'key_reused'],
    declined: [402, 'PAYMENT_REQUIRED'],
    invalid: [400, ['amount', 'currency', 'customer']],
    get: [200, true],
    none: [404, 'NOT_FOUND'],
    list: [200, 1],
    order: [201, 'lamp'],
    status: [200, 'completed', 'orders.create'],
    statusByKey: [200, 'completed'],
    enrollment: [201, 1],
    accepted: [202, 'accepted', true],
    payout: [201, 'paid', 'true'],
    uncalled: [],
  });
  expect(await rig.sim.charges('python')).toHaveLength(1);
});

test.runIf(hasPerl)('a Perl client that is generated from openapi.json pays once', async () => {
  const file = join(folder, 'openapi.json');
  writeFileSync(file, await (await fetch(`${rig.server.url}/openapi.json`)).text());
  const seen = await run('perl', 'smoke.pl', [file, rig.server.url, 'sk_demo_acme'], {
    JSON_VALIDATOR_CACHE_PATH: cacheMetaSchema(),
    // Its validator finds fault with valid documents in some orders of Perl's hashes (1 run in 20): always the same order.
    PERL_HASH_SEED: '0',
    PERL_PERTURB_KEYS: '0',
  });
  expect(seen).toStrictEqual({
    first: [201, 'captured'],
    replay: [201, 'same', 'true'],
    reused: [422, 'key_reused'],
    declined: [402, 'PAYMENT_REQUIRED'],
    get: [200, 'same'],
    list: [200, 1],
    order: [201, 'lamp'],
    status: [200, 'completed'],
    statusByKey: [200, 'completed'],
    invalid: ['Invalid input'],
  });
  expect(await rig.sim.charges('perl')).toHaveLength(1);
});

/** It looks up OpenAPI's own schema by its address, at first in files: no test needs the network. */
function cacheMetaSchema(): string {
  const address = 'https://spec.openapis.org/oas/3.1/schema/2021-05-20';
  const validator = createRequire(import.meta.url).resolve('@seriousme/openapi-schema-validator');
  const schema = JSON.parse(readFileSync(join(validator, '../schemas/v3.1/schema.json'), 'utf8'));
  const name = createHash('md5').update(address).digest('hex');
  writeFileSync(join(folder, name), JSON.stringify({ ...schema, $id: address }));
  return folder;
}
