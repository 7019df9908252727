import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { inLanes } from '../crash/lanes.ts';
import { type Answer, mutate, mutateFirmly } from '../fixtures/plain-client.ts';
import { createStage, type ServerChild, type Stage } from '../fixtures/stage.ts';

let stage: Stage;
let servers: ServerChild[];
beforeAll(async () => {
  stage = await createStage(inject('databaseUrl'));
  servers = await Promise.all([stage.start(), stage.start()]);
});
afterAll(() => stage.close());

/** The whole thousand in CI. */
const KEYS = process.env.CI === undefined ? 160 : 1000;
const DUPLICATES = 20;
/** The first keys come one after the other, each between two calls that it is compared with. */
const MEASURED = 150;

const urlOf = (n: number) => servers[n % servers.length]?.url ?? '';
const timed = async (call: () => Promise<Answer>) => {
  const from = performance.now();
  return { answer: await call(), ms: performance.now() - from };
};
const middle = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

test(`20 simultaneous duplicates of ${KEYS} keys over two servers: ${KEYS} effects, equal answers`, {
  timeout: 240_000,
}, async () => {
  const input = { sku: 'book' };
  const bursts: Answer[][] = [];
  const times = { burst: [] as number[], lone: [] as number[], bare: [] as number[], bares: [] as number[] };
  // Firmly: whoever waits for a second for the first one's answer is told `in_flight`, and asks again, as a client does.
  const burst = (key: string) =>
    Promise.all(
      Array.from({ length: DUPLICATES }, (_, n) =>
        timed(() => mutateFirmly(urlOf(n), 'order', input, { key })),
      ),
    );

  for (let n = 0; n < MEASURED; n++) {
    times.bare.push((await timed(() => mutate(urlOf(n), 'bare', input, { key: 'none' }))).ms);
    times.lone.push((await timed(() => mutate(urlOf(n), 'order', input, { key: `lone-${n}` }))).ms);
    // What the same crowd costs without Semel: much of it is this one process that plays all twenty clients.
    const crowd = Array.from({ length: DUPLICATES }, (_, i) =>
      timed(() => mutate(urlOf(i), 'bare', input, { key: 'none' })),
    );
    times.bares.push(middle((await Promise.all(crowd)).map(({ ms }) => ms)));
    const answers = await burst(`burst-${n}`);
    times.burst.push(middle(answers.map(({ ms }) => ms)));
    bursts.push(answers.map(({ answer }) => answer));
  }
  const rest = Array.from({ length: KEYS - MEASURED }, (_, n) => `burst-${n + MEASURED}`);
  await inLanes(8, rest, async (key) => {
    bursts.push((await burst(key)).map(({ answer }) => answer));
  });

  const statuses = new Map<string, number>();
  for (const { status, code = '' } of bursts.flat()) {
    const name = `${status} ${code}`.trim();
    statuses.set(name, (statuses.get(name) ?? 0) + 1);
  }
  expect([...statuses]).toEqual([['200', KEYS * DUPLICATES]]);
  const different = bursts.filter(
    (answers) => new Set(answers.map(({ body }) => JSON.stringify(body))).size !== 1,
  );
  expect(different).toEqual([]);
  const firsts = bursts.map(
    (answers) => answers.filter(({ headers }) => !headers.has('idempotency-replayed')).length,
  );
  expect(new Set(firsts)).toEqual(new Set([1]));
  expect(
    await stage.sql(
      `SELECT count(*)::int AS effects, count(DISTINCT key)::int AS keys FROM {s}.orders WHERE key LIKE 'burst-%'`,
    ),
  ).toEqual([{ effects: KEYS, keys: KEYS }]);

  const [bare = 0, lone = 0, bares = 0, bursting = 0] = [
    times.bare,
    times.lone,
    times.bares,
    times.burst,
  ].map(middle);
  const ratio = (a: number, b: number) => (a / b).toFixed(2);
  console.log(
    `median of ${DUPLICATES} simultaneous duplicates: ${ratio(bursting, lone)} x one keyed call, ` +
      `${ratio(bursting, bare)} x one bare call, ${ratio(bursting, bares)} x ${DUPLICATES} simultaneous bare calls ` +
      `(${[bursting, lone, bare, bares].map((ms) => ms.toFixed(1)).join(' / ')} ms)`,
  );
});
