import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CampusOracle, campusOracle } from '@semel/campus-sim';
import { type Child, startChild } from '@semel/testing/faults';
import { afterAll, afterEach, beforeAll, expect, inject, test, vi } from 'vitest';
import { createTestDatabase, type TestDatabase, until } from '../testing/rig.ts';
import type {} from '../testing/vitest-context.ts';

vi.setConfig({ testTimeout: 60_000 }); // starts processes, waits for leases

// All of it in processes: two servers on one database, billing, roster. Killed without warning.
const SERVER = new URL('../main.ts', import.meta.url);
const SIMULATOR = new URL('../../../campus-sim/src/main.ts', import.meta.url);
const LEASE_MS = 3_500;

let database: TestDatabase;
let directory: string;
let billing: CampusOracle;
let roster: CampusOracle;
let env: Record<string, string | undefined>;
const services: Record<string, Child> = {};
const startService = async (service: 'billing' | 'roster', port = '0'): Promise<CampusOracle> => {
  const child = await startChild({
    file: SIMULATOR,
    args: ['--service', service],
    env: { PORT: port, DATA_FILE: join(directory, `${service}.jsonl`) },
  });
  services[service] = child;
  return campusOracle(String(child.ready.url));
};
/** Lives as long as the tests do; the victims don't. */
let survivor: { readonly child: Child; readonly url: string };
const servers: Child[] = [];
const startServer = async (): Promise<{ child: Child; url: string }> => {
  const child = await startChild({ file: SERVER, env });
  servers.push(child);
  return { child, url: String(child.ready.url) };
};

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'enrollments-'));
  database = await createTestDatabase(inject('databaseUrl'));
  [billing, roster] = await Promise.all([startService('billing'), startService('roster')]);
  env = {
    NODE_ENV: undefined,
    PORT: '0',
    DATABASE_URL: database.url,
    PROVIDER_URL: 'http://127.0.0.1:9',
    STRIPE_API_KEY: undefined,
    BILLING_URL: billing.url,
    ROSTER_URL: roster.url,
    SEMEL_DEMO_KEYS: '1',
    ENROLLMENT_LEASE_MS: String(LEASE_MS),
    CAMPUS_TIMEOUT_MS: '3000',
    LOG_LEVEL: 'warn',
  };
  survivor = await startServer();
  servers.length = 0;
});
afterEach(async () => {
  await Promise.all(servers.splice(0).map((child) => child.kill()));
  await Promise.all([billing.setFaults({}), roster.setFaults({})]);
});
afterAll(async () => {
  await Promise.all([survivor.child, ...Object.values(services)].map((child) => child.kill()));
  await database.close();
  rmSync(directory, { recursive: true });
});

interface Answered {
  readonly status: number;
  readonly replayed: boolean;
  readonly operationId: string | null;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it
  readonly body: any;
}
async function send(url: string, key: string, studentId: string, courseId = 'algebra'): Promise<Answered> {
  const answer = await fetch(`${url}/trpc/enrollments.create`, {
    method: 'POST',
    headers: {
      authorization: 'Bearer sk_demo_acme',
      'content-type': 'application/json',
      'idempotency-key': key,
    },
    body: JSON.stringify({ json: { studentId, courseId } }),
  });
  const { headers, status } = answer;
  const { result, error } = (await answer.json()) as {
    result?: { data: { json: object } };
    error?: { json: object };
  };
  return {
    status,
    replayed: headers.get('idempotency-replayed') === 'true',
    operationId: headers.get('idempotency-operation'),
    body: result?.data.json ?? error?.json,
  };
}
/** As a client does it: the same key again, until somebody knows. */
async function insist(...[url, ...rest]: Parameters<typeof send>): Promise<Answered> {
  for (;;) {
    const answer = await send(url, ...rest).catch(() => undefined);
    const code = answer?.body.data?.idempotency?.code;
    if (answer !== undefined && answer.status < 500 && code !== 'in_flight' && code !== 'lease_lost')
      return answer;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
interface Counts {
  readonly invoices: readonly string[];
  readonly seats: readonly string[];
  readonly rows: number;
}
const counts = async (studentId: string): Promise<Counts> => {
  const { rows } = await database.pool.query('SELECT FROM campus.enrollment WHERE student_id = $1', [
    studentId,
  ]);
  return {
    invoices: (await billing.invoices({ studentId })).map(({ state }) => state),
    seats: (await roster.seats({ studentId })).map(({ state }) => state),
    rows: rows.length,
  };
};
const ONCE = { invoices: ['open'], seats: ['taken'], rows: 1 };
const billed = (studentId: string) =>
  until(async () => ((await billing.invoices({ studentId })).length > 0 ? true : undefined));
const asked = async (oracle: CampusOracle, since: number) =>
  until(async () => ((await oracle.requests()).length > since ? true : undefined));

interface Point {
  readonly name: string;
  readonly course?: string;
  /** Before the request. */
  prepare(): Promise<void>;
  /** Resolves at the very point. */
  reached(studentId: string, rosterRequests: number): Promise<unknown>;
  readonly atTheKill: Counts;
  readonly atTheEnd: Counts;
  readonly status: number;
}
const POINTS: readonly Point[] = [
  {
    name: 'before billing has written the invoice',
    prepare: () => billing.setFaults({ stallMs: 60_000 }),
    reached: () =>
      until(async () => (await billing.requests()).some(({ status }) => status === null) || undefined),
    atTheKill: { invoices: [], seats: [], rows: 0 },
    atTheEnd: ONCE,
    status: 200,
  },
  {
    name: 'while the answer of billing is on its way',
    prepare: () => billing.setFaults({ hangNext: 1 }),
    reached: (studentId) => billed(studentId),
    atTheKill: { invoices: ['open'], seats: [], rows: 0 },
    atTheEnd: ONCE,
    status: 200,
  },
  {
    name: 'between billing and roster',
    prepare: () => roster.setFaults({ stallMs: 60_000 }),
    reached: (_, before) => asked(roster, before),
    atTheKill: { invoices: ['open'], seats: [], rows: 0 },
    atTheEnd: ONCE,
    status: 200,
  },
  {
    name: 'while the answer of the roster is on its way',
    prepare: () => roster.setFaults({ hangNext: 1 }),
    reached: (studentId) =>
      until(async () => ((await roster.seats({ studentId })).length > 0 ? true : undefined)),
    atTheKill: { invoices: ['open'], seats: ['taken'], rows: 0 },
    atTheEnd: ONCE,
    status: 200,
  },
  {
    name: 'between the refusal of the roster and making the invoice void',
    course: 'full',
    async prepare() {
      await roster.setCapacity('full', 0);
      await roster.setFaults({ delayMs: 60_000 });
    },
    async reached(_, before) {
      await asked(roster, before);
      await billing.setFaults({ stallMs: 60_000 });
      await roster.setFaults({});
      await until(async () => (await billing.requests()).some(({ status }) => status === null) || undefined);
    },
    atTheKill: { invoices: ['open'], seats: [], rows: 0 },
    atTheEnd: { invoices: ['void'], seats: [], rows: 0 },
    status: 409,
  },
  {
    name: 'while the answer to making the invoice void is on its way',
    course: 'full',
    async prepare() {
      await roster.setCapacity('full', 0);
      await roster.setFaults({ delayMs: 60_000 });
    },
    async reached(studentId, before) {
      await asked(roster, before);
      await billing.setFaults({ hangNext: 1 });
      await roster.setFaults({});
      await until(async () =>
        (await billing.invoices({ studentId, state: 'void' })).length > 0 ? true : undefined,
      );
    },
    atTheKill: { invoices: ['void'], seats: [], rows: 0 },
    atTheEnd: { invoices: ['void'], seats: [], rows: 0 },
    status: 409,
  },
];

test.each(POINTS)('killed $name, the next attempt finishes it, and nothing is done twice', async (point) => {
  const studentId = `kill-${POINTS.indexOf(point)}`;
  const [first, second] = [await startServer(), survivor];
  const before = (await roster.requests()).length;
  await point.prepare();
  const cut = send(first.url, 'k', studentId, point.course).catch(() => 'cut');
  await point.reached(studentId, before);
  const atTheKill = await counts(studentId);
  await first.child.kill();
  expect(await cut).toBe('cut');
  expect(atTheKill).toStrictEqual(point.atTheKill); // otherwise it was killed somewhere else
  await Promise.all([billing.setFaults({}), roster.setFaults({})]);

  const answer = await insist(second.url, 'k', studentId, point.course);
  expect([answer.status, answer.replayed]).toStrictEqual([point.status, false]);
  expect(await counts(studentId)).toStrictEqual(point.atTheEnd);
  const again = await insist(second.url, 'k', studentId, point.course);
  expect([again.status, again.replayed, again.body]).toStrictEqual([point.status, true, answer.body]);
  expect(await counts(studentId)).toStrictEqual(point.atTheEnd);
  expect(await transitions(second.url, answer.operationId)).toStrictEqual([
    ['claimed', 1],
    ['overtaken', 2],
    [point.status === 200 ? 'succeeded' : 'failed', 2],
  ]);
});

/** By the status query, which finds a narrowed operation by its id. */
async function transitions(url: string, operationId: string | null): Promise<unknown> {
  const input = encodeURIComponent(JSON.stringify({ json: { operationId } }));
  const answer = await fetch(`${url}/trpc/idempotency.status?input=${input}`, {
    headers: { authorization: 'Bearer sk_demo_acme' },
  });
  const { result } = (await answer.json()) as {
    result: { data: { json: { transitions: { cause: string; attempt: number }[] } } };
  };
  return result.data.json.transitions.map(({ cause, attempt }) => [cause, attempt]);
}

test('twenty duplicates of five enrollments over two servers have five invoices and five seats', async () => {
  const urls = [(await startServer()).url, survivor.url] as const;
  const students = [1, 2, 3, 4, 5].map((n) => `storm-${n}`);
  const answers = await Promise.all(
    students.flatMap((studentId) =>
      Array.from({ length: 20 }, (_, i) => insist(urls[i % 2 === 0 ? 0 : 1], 'storm', studentId, 'history')),
    ),
  );
  expect(answers.map(({ status }) => status)).toStrictEqual(Array(100).fill(200));
  expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(5);
  expect(new Set(answers.map(({ body }) => body.id)).size).toBe(5);
  expect(new Set(answers.map(({ body }) => body.seat))).toStrictEqual(new Set([1, 2, 3, 4, 5]));
  for (const studentId of students) expect(await counts(studentId)).toStrictEqual(ONCE);
});

test.each(['billing', 'roster'] as const)(
  '%s killed in the middle of it and restarted: once',
  async (service) => {
    const { url } = survivor;
    const studentId = `service-${service}`;
    const oracle = service === 'billing' ? billing : roster;
    await oracle.setFaults({ delayMs: 60_000 });
    const calling = insist(url, 'k', studentId);
    await until(async () => {
      const done =
        service === 'billing' ? await billing.invoices({ studentId }) : await roster.seats({ studentId });
      return done.length > 0 ? true : undefined;
    });
    await services[service]?.kill();
    await startService(service, new URL(oracle.url).port);
    expect((await calling).status).toBe(200);
    expect(await counts(studentId)).toStrictEqual(ONCE);
  },
);

test('a server that stands still until it was overtaken stores nothing when it goes on', async () => {
  const [first, second] = [await startServer(), survivor];
  await roster.setFaults({ delayMs: 60_000 });
  const before = (await roster.requests()).length;
  const late = send(first.url, 'k', 'paused');
  await asked(roster, before);
  await first.child.stop();
  await roster.setFaults({});
  const answer = await insist(second.url, 'k', 'paused');
  first.child.cont();
  // Whatever the late one is told, it is not another enrollment.
  const told = await late;
  expect(told.status === 200 ? told.body : (told.body.data.idempotency?.code ?? told.status)).toSatisfy(
    (said: unknown) =>
      said === 'lease_lost' || said === 502 || JSON.stringify(said) === JSON.stringify(answer.body),
  );
  expect(answer.status).toBe(200);
  expect(await counts('paused')).toStrictEqual(ONCE);
});
