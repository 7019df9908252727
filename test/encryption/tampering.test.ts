import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { query } from '../fixtures/plain-client.ts';
import { createDatabase, type Database, FIRST, type Handlers, type Server, said } from './server.ts';

// Somebody who can write the table. What was sealed opens where it was sealed or nowhere; and nothing runs again.

let db: Database;
let server: Server;
const handlers: Handlers = { atomic: async () => 0, leased: async () => 0 };
let runs = 0;
beforeAll(async () => {
  db = await createDatabase();
  server = await db.serve(FIRST, handlers);
});
afterAll(() => db.close());
beforeEach(() => {
  runs = 0;
  server.events.length = 0;
  handlers.atomic = async (_, input) => ({ run: ++runs, for: input.for ?? 'nobody' });
});

const GONE = '409 outcome_gone';
const outcomeOf = async (key: string) =>
  (await db.sql('SELECT outcome FROM semel.operation WHERE key = $1', [key]))[0]?.outcome as string;
const setOutcome = (key: string, outcome: string) =>
  db.sql('UPDATE semel.operation SET outcome = $2 WHERE key = $1', [key, outcome]);

/** Another character in that place: of the alphabet, so that only the seal can tell. */
const flipped = (text: string, at: number) =>
  text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1);

test('an outcome of which any byte was changed is gone: no other answer, no second run', async () => {
  await server.call('atomic', 'flip');
  const sealed = await outcomeOf('flip');
  expect(sealed.length).toBeGreaterThan(80);
  const answers: string[] = [];
  for (let at = 0; at < sealed.length; at++) {
    await setOutcome('flip', flipped(sealed, at));
    answers.push(said(await server.call('atomic', 'flip')));
  }
  expect(new Set(answers)).toEqual(new Set([GONE]));
  expect(server.undecryptable()).toHaveLength(sealed.length);
  await setOutcome('flip', sealed);
  expect(said(await server.call('atomic', 'flip'))).toEqual({ run: 1, for: 'nobody' });
  expect(runs).toBe(1);
});

test.each([
  ['cut off', (sealed: string) => sealed.slice(0, -20)],
  ['empty behind its key', () => 'sealed1:k1:'],
  ['without a key', () => 'sealed1:'],
  ['of a later version', (sealed: string) => sealed.replace('sealed1', 'sealed2')],
  ['of a key that nobody knows', (sealed: string) => sealed.replace('k1', 'k7')],
  ['of a key that every object has', (sealed: string) => sealed.replace('k1', '__proto__')],
  ['doubled', (sealed: string) => sealed + sealed],
  ['plain', () => '{"v":1,"ok":true,"value":{"json":{"forged":true}}}'],
  ['no outcome at all', () => 'null'],
])('an outcome that is %s is gone', async (what, change) => {
  const key = what.replaceAll(' ', '-');
  await server.call('atomic', key);
  await setOutcome(key, change(await outcomeOf(key)));
  expect(said(await server.call('atomic', key))).toBe(GONE);
  expect(server.undecryptable()).toHaveLength(1);
  const { body } = await query(server.url, 'idempotency.status', { procedure: 'atomic', key }, 'alice');
  expect(body.result.data.outcome).toEqual({ v: 1, ok: true, gone: 'unreadable' });
  expect(runs).toBe(1);
});

test("another tenant's, operation's or procedure's outcome does not open here", async () => {
  await server.call('atomic', 'mine', { for: 'alice' });
  await server.call('atomic', 'mine', { for: 'bob' }, 'bob');
  await server.call('atomic', 'also-mine', { for: 'alice' });
  await server.call('lenient', 'mine', { for: 'alice' });
  const rows = await db.sql(
    `SELECT scope, procedure, key, outcome FROM semel.operation WHERE key IN ('mine', 'also-mine') ORDER BY 1, 2, 3`,
  );
  expect(rows).toHaveLength(4);
  for (const { scope, procedure, key, outcome } of rows) {
    if (scope === 'alice' && procedure === 'atomic' && key === 'mine') continue;
    await db.sql(
      `UPDATE semel.operation SET outcome = $1 WHERE scope = 'alice' AND procedure = 'atomic' AND key = 'mine'`,
      [outcome],
    );
    expect(said(await server.call('atomic', 'mine', { for: 'alice' })), `${scope} ${procedure} ${key}`).toBe(
      GONE,
    );
  }
  // All of the row but its identity: the operation's id comes along, and the names don't.
  await db.sql(`DELETE FROM semel.operation WHERE scope = 'alice' AND procedure = 'atomic' AND key = 'mine'`);
  await db.sql(`UPDATE semel.operation SET scope = 'alice' WHERE scope = 'bob'`);
  expect(said(await server.call('atomic', 'mine', { for: 'bob' }))).toBe('422 key_reused');
  expect(runs).toBe(4);
  expect(new Set(server.undecryptable())).toEqual(new Set(['outcome: altered']));
});

test('an outcome that is put back under the same key after the operation was replaced does not open', async () => {
  await server.call('atomic', 'replaced');
  const old = await outcomeOf('replaced');
  await db.sql(`UPDATE semel.operation SET expires_at = now() - interval '1 day' WHERE key = 'replaced'`);
  expect(said(await server.call('atomic', 'replaced'))).toMatchObject({ run: 2 });
  await setOutcome('replaced', old);
  expect(said(await server.call('atomic', 'replaced'))).toBe(GONE);
  expect(runs).toBe(2);
});

test('a fingerprint of which any byte was changed runs nothing', async () => {
  await server.call('atomic', 'print');
  const [{ fingerprint } = { fingerprint: '' }] = await db.sql(
    `SELECT fingerprint FROM semel.operation WHERE key = 'print'`,
  );
  const answers = new Set<string>();
  for (let at = 0; at < fingerprint.length; at++) {
    await db.sql(`UPDATE semel.operation SET fingerprint = $1 WHERE key = 'print'`, [
      flipped(fingerprint, at),
    ]);
    const answer = await server.call('atomic', 'print');
    // A last character may carry bits that say nothing: then it's the right answer.
    answers.add(answer.status === 200 ? JSON.stringify(said(answer)) : said(answer));
  }
  expect(
    [...answers].filter((answer) => !['{"run":1,"for":"nobody"}', GONE, '422 key_reused'].includes(answer)),
  ).toEqual([]);
  expect(runs).toBe(1);
});

/** An operation whose first attempt recorded a step and was released. */
async function released(
  key: string,
): Promise<{ id: string; charges: () => number; restore: () => Promise<unknown> }> {
  let [attempts, charges] = [0, 0];
  handlers.leased = async (operation) => {
    runs++;
    const one = await operation.step('charge', { input: { amount: 5 } }, async () => `charge ${++charges}`);
    const two = await operation.step('mail', { input: { amount: 5 } }, async () => `mail ${++charges}`);
    if (attempts++ === 0) throw new Error('later');
    return { one, two };
  };
  expect((await server.call('leased', key)).status).toBe(500);
  const [row] = await db.sql('SELECT operation_id AS id, outcome FROM semel.operation WHERE key = $1', [key]);
  return {
    id: row?.id as string,
    charges: () => charges,
    restore: () =>
      db.sql(
        `UPDATE semel.operation SET state = 'released', expires_at = now() + interval '1 day' WHERE key = $1`,
        [key],
      ),
  };
}

test('a step result of which any byte was changed suspends, and the step is not run again', async () => {
  const { id, charges, restore } = await released('step-flip');
  const [{ result } = { result: '' }] = await db.sql(
    `SELECT result FROM semel.step WHERE operation_id = $1 AND name = 'charge'`,
    [id],
  );
  const set = (text: string) =>
    db.sql(`UPDATE semel.step SET result = $2 WHERE operation_id = $1 AND name = 'charge'`, [id, text]);
  const answers = new Set<string>();
  for (let at = 0; at < result.length; at++) {
    await set(flipped(result, at));
    answers.add(said(await server.call('leased', 'step-flip')));
    await restore();
  }
  expect(answers).toEqual(new Set(['409 outcome_unknown']));
  expect(charges()).toBe(2);
  const alerts = server.undecryptable();
  expect([alerts.length, alerts.filter((alert) => alert.startsWith('step: ')).length]).toEqual([
    result.length,
    result.length,
  ]);
  await set(result);
  expect(said(await server.call('leased', 'step-flip'))).toEqual({ one: 'charge 1', two: 'mail 2' });
  expect(charges()).toBe(2);
});

test('step results that changed places, or came from another operation, suspend', async () => {
  const other = await released('steps-other');
  const { id, charges, restore } = await released('steps-swapped');
  const swap = (text: string, values: unknown[]) => db.sql(text, values);
  await swap(
    `UPDATE semel.step s SET result = o.result FROM semel.step o
     WHERE s.operation_id = $1 AND o.operation_id = $1 AND s.name <> o.name`,
    [id],
  );
  expect(said(await server.call('leased', 'steps-swapped'))).toBe('409 outcome_unknown');
  await restore();
  await swap(
    `UPDATE semel.step s SET result = o.result, fingerprint = o.fingerprint FROM semel.step o
     WHERE s.operation_id = $1 AND o.operation_id = $2 AND s.name = o.name`,
    [id, other.id],
  );
  expect(said(await server.call('leased', 'steps-swapped'))).toBe('409 outcome_unknown');
  await restore();
  await swap(
    `UPDATE semel.step SET result = '{"json":"forged"}', fingerprint = 'v1:x' WHERE operation_id = $1`,
    [id],
  );
  expect(said(await server.call('leased', 'steps-swapped'))).toBe('409 outcome_unknown');
  expect(charges()).toBe(2);
});
