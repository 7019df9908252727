import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createCampusService } from '@semel/campus-sim';
import { PROBLEM_CODES } from '@semel/contract/v1/pure';
import { createSemel } from '@semel/server';
import { createPostgresStore } from '@semel/store-postgres';
import { type Child, startChild } from '@semel/testing/faults';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { DEMO_KEYS } from '../access/demo-keys.ts';
import { banner } from '../banner.ts';
import type { Services } from '../embedded.ts';
import {
  type DocumentedCall,
  differences,
  documentedCalls,
  httpAnswer,
  runShell,
} from '../testing/documented-curl.ts';
import { createRig, type Rig, until } from '../testing/rig.ts';
import type {} from '../testing/vitest-context.ts';

// docs/reference/rest.md, block by block, against a server that really listens, by the curl that a reader would use.

const text = readFileSync(new URL('../../../../docs/reference/rest.md', import.meta.url), 'utf8');
const [setup, ...calls] = documentedCalls(text) as [DocumentedCall, ...DocumentedCall[]];
const hasCurl = spawnSync('curl', ['--version']).status === 0;
if (!hasCurl)
  console.error('\n  NO CURL ON THIS MACHINE: the curl lines of docs/reference/rest.md ARE NOT CHECKED.\n');

interface Arranged {
  /** Where the call goes, where that isn't the server that everything else goes to. */
  readonly url?: string;
  /** Happens while the call is on its way. */
  readonly meanwhile?: () => Promise<void>;
}

let rig: Rig;
const cleanups: (() => Promise<unknown>)[] = [];
const children: Child[] = [];
beforeAll(async () => {
  const billing = await createCampusService('billing');
  const roster = await createCampusService('roster');
  rig = await createRig(inject('databaseUrl'), {
    // Longer than any test: what is at work stays so. The document says two seconds, and nothing rests on them.
    sim: { slowMs: 600_000 },
    payment: { leaseMs: 600_000, timeoutMs: 120_000, retries: 0 },
    corsOrigins: ['https://shop.example'],
    billingUrl: billing.url,
    rosterUrl: roster.url,
  });
  cleanups.push(
    () => rig.close(),
    () => billing.close(),
    () => roster.close(),
  );
});
afterAll(async () => {
  await Promise.all(children.map((child) => child.kill()));
  for (const clean of cleanups) await clean();
});

/** A server in a process of its own, on a rig's database and provider, so that it can be killed or made to stand still. */
async function childOf({ database, sim }: Rig): Promise<Child> {
  const child = await startChild({
    file: new URL('../main.ts', import.meta.url),
    env: {
      ...{
        NODE_ENV: undefined,
        STRIPE_API_KEY: undefined,
        PORT: '0',
        LOG_LEVEL: 'warn',
        SEMEL_DEMO_KEYS: '1',
      },
      ...{
        DATABASE_URL: database.url,
        PROVIDER_URL: sim.url,
        PROVIDER_TIMEOUT_MS: '20000',
        PROVIDER_RETRIES: '0',
      },
    },
    readyTimeoutMs: 120_000,
  });
  children.push(child);
  return child;
}

const pay = (url: string, key: string, body: object) =>
  fetch(`${url}/v1/payments`, {
    method: 'POST',
    headers: {
      authorization: 'Bearer sk_demo_acme',
      'content-type': 'application/json',
      'idempotency-key': key,
    },
    body: JSON.stringify(body),
  });
const coffee = { amount: 450, currency: 'EUR' };
const charged = ({ sim }: Rig, reference: string) =>
  until(async () => ((await sim.charges(reference)).length > 0 ? true : undefined));

const arrangements: Readonly<Record<string, () => Promise<Arranged>>> = {
  async 'no-database'() {
    const lonely = await createRig(inject('databaseUrl'));
    await lonely.database.close();
    cleanups.push(
      () => lonely.server.close(),
      () => lonely.sim.close(),
    );
    return { url: lonely.server.url };
  },

  async purged() {
    const paid = await pay(rig.server.url, 'receipt-1', {
      ...coffee,
      customer: 'cus_ok',
      reference: 'receipt',
    });
    const store = createPostgresStore({ connection: rig.database.url });
    const semel = createSemel({ store, recovery: false });
    const operationId = paid.headers.get('idempotency-operation') ?? '';
    expect(await semel.purge({ operationId, actor: 'test', reason: 'the document says so' })).toMatchObject({
      purged: 1,
    });
    await semel.close();
    await store.close();
    // Another server: this one's own layer may replay for a minute what another process purged.
    const child = await childOf(rig);
    return { url: String(child.ready.url) };
  },

  /** Killed for real; the hours pass in the record. */
  async 'killed-and-left'() {
    const child = await childOf(rig);
    const body = { ...coffee, customer: 'cus_slow', reference: 'unknown' };
    const broken = pay(String(child.ready.url), 'unknown-1', body).catch(() => 'no answer');
    await charged(rig, 'unknown');
    await child.kill();
    expect(await broken).toBe('no answer');
    await rig.database.pool.query(
      `UPDATE semel.operation SET first_claimed_at = now() - interval '21 hours', lease_until = now() - interval '20 hours'
       WHERE key = 'unknown-1'`,
    );
    return {};
  },

  async 'stood-still'() {
    const other = await createRig(inject('databaseUrl'), { sim: { slowMs: 3_000 } });
    cleanups.push(() => other.close());
    const child = await childOf(other);
    return {
      url: String(child.ready.url),
      async meanwhile() {
        await charged(other, 'still');
        await child.stop(); // the provider's answer is still on its way
        await until(() =>
          other.sim.requests().some(({ delivered }) => delivered === 'sent') ? true : undefined,
        );
        await other.database.pool.query(
          `UPDATE semel.operation SET lease_until = now() - interval '1 second' WHERE key = 'still-1'`,
        );
        const body = { ...coffee, customer: 'cus_slow', reference: 'still' };
        expect((await pay(other.server.url, 'still-1', body)).status).toBe(201);
        expect(await other.sim.charges('still')).toHaveLength(1);
        child.cont();
      },
    };
  },

  async 'rate-limited'() {
    const strict = await createRig(inject('databaseUrl'), { rateLimit: { max: 1, windowMs: 600_000 } });
    cleanups.push(() => strict.close());
    await fetch(`${strict.server.url}/v1/payments`, { headers: { authorization: 'Bearer sk_demo_acme' } });
    return { url: strict.server.url };
  },
};

test.skipIf(hasCurl)('the curl lines of the document are NOT checked: there is no curl here', (context) => {
  context.skip();
});

test.runIf(hasCurl).each(calls.map((call, index) => [call.heading, index + 1, call] as const))(
  '%s (%i) answers as the document says',
  async (_heading, _index, { command, arrange, expected }) => {
    const { url = rig.server.url, meanwhile } = (await arrangements[arrange ?? '']?.()) ?? {};
    const shell = `${setup.command.replace('http://127.0.0.1:4000', url)}\n${command}`;
    if (command.endsWith('&')) {
      void runShell(`${shell} wait`).catch(() => {}); // ends with the server
      await charged(rig, 'slow');
      return;
    }
    const printed = runShell(shell);
    await meanwhile?.();
    if (expected === undefined) throw new Error('The document says nothing of the answer');
    expect(differences(expected, httpAnswer(await printed))).toStrictEqual([]);
  },
  180_000,
);

/** In `npm start`'s banner and in both READMEs: one line, to be sent twice. */
const pasted = (where: string, text: string): readonly [string, string] => [
  where,
  /curl -i http:\/\/127\.0\.0\.1:4000\/(?:\\\n|[^\n])+/.exec(text)?.[0] ?? 'false',
];
const readme = (path: string) =>
  pasted(path, readFileSync(new URL(`../../../../${path}`, import.meta.url), 'utf8'));
const banners = banner({
  url: 'http://127.0.0.1:4000',
  servers: 1,
  services: { database: 'embedded', provider: 'simulator', campus: {} } as unknown as Services,
  demoKeys: DEMO_KEYS,
});

test
  .runIf(hasCurl)
  .each([readme('README.md'), readme('apps/reference-server/README.md'), pasted('npm start', banners)])(
  'the line of %s pays, and sent twice it gets the same payment',
  async (where, line) => {
    // The READMEs' keys are one another's.
    const command = line
      .replace('http://127.0.0.1:4000', rig.server.url)
      .replace(
        /Idempotency-Key: "[^"]+"/,
        `Idempotency-Key: "pasted-${where}"`.replaceAll(' ', '-').replace('Key:-', 'Key: '),
      );
    const [first, second] = [httpAnswer(await runShell(command)), httpAnswer(await runShell(command))];
    expect([first.status, first.body]).toMatchObject([
      'HTTP/1.1 201 Created',
      { state: 'captured', amount: 450 },
    ]);
    expect([second.status, second.body]).toStrictEqual([first.status, first.body]);
    expect([first, second].map(({ headers }) => headers['idempotency-replayed'])).toStrictEqual([
      undefined,
      'true',
    ]);
  },
);

test('every code of the contract and every route has a curl line', async () => {
  const codes = calls.flatMap(
    ({ expected }) => (expected?.body as { code?: string } | undefined)?.code ?? [],
  );
  expect(PROBLEM_CODES.filter((code) => !codes.includes(code))).toStrictEqual([]);
  const unknown = calls.flatMap(({ arrange }) => arrange ?? []).filter((name) => !(name in arrangements));
  expect(unknown).toStrictEqual([]);

  const { paths } = (await (await fetch(`${rig.server.url}/openapi.json`)).json()) as {
    paths: Record<string, object>;
  };
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({ method, path })),
  );
  const table = text.slice(text.indexOf('## Routes'), text.indexOf('### An order'));
  const missing = routes.filter(({ method, path }) => {
    const asked = new RegExp(`\\$API${path.replaceAll(/\{\w+\}/g, '\\$?[\\w-]+')}(?=["\\s?])`);
    const isPost = method === 'post';
    const hasCurl = calls.some(({ command }) => asked.test(command) && / -d /.test(command) === isPost);
    return !hasCurl || !table.includes(`\`${method.toUpperCase()} ${path}`);
  });
  expect(missing).toStrictEqual([]);
  expect(routes.length).toBeGreaterThan(5);
});
