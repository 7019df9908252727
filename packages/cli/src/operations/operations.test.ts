import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { createOutcomeCodec } from '@semel/server/adapter';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { setStage } from '../testing/stage.ts';
import { runCommand } from '../testing/terminal.ts';

let stage: Awaited<ReturnType<typeof setStage>>;
beforeAll(async () => {
  stage = await setStage();
  stage.work();
});
afterAll(() => stage.close());

const as = (name: string, reason = 'ticket 1') => ['--as', name, '--reason', reason];
let keys = 0;

/** One whose only attempt has failed: the worker ran it, and the provider was down. */
async function deadLetter(user = `user-${keys}`): Promise<string> {
  stage.provider.isDown = true;
  const id = await stage.accept(`key-${keys++}`, user);
  await expect.poll(() => stage.state(id), { timeout: 10_000 }).toBe('dead');
  return id;
}

test('list shows what waits for a decision, with its age, owner and last error', async () => {
  const id = await deadLetter('carol');
  const { code, stdout } = await stage.cli(['operations', 'list', '--scope', 'carol']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^OPERATION +STATE +FOR +PROCEDURE +SCOPE +KEY +ATTEMPT +OWNER +LAST ERROR$/m);
  expect(stdout).toMatch(
    new RegExp(
      `^${id} +dead +\\d+ m?s +payouts.send +carol +key-\\d+ +1/1 +payments +.*the provider is down`,
      'm',
    ),
  );
  expect(stdout).toContain('1 operation suspended or dead. Other states: --state any');
});

test('list fits the terminal, and never cuts an id', async () => {
  const id = await deadLetter('a-principal-with-a-rather-long-name');
  const filter = ['operations', 'list', '--scope', 'a-principal-with-a-rather-long-name'];
  const { stdout } = await stage.cli(filter, { columns: 120, colours: true });
  const lines = stripVTControlCharacters(stdout).split('\n');
  expect(stdout).toContain('\u001b[31mdead');
  expect(lines.every((line) => line.length <= 120)).toBe(true);
  expect(lines.some((line) => line.includes(id) && line.includes('…'))).toBe(true);
});

test('what callers have in their keys and scopes does not reach the terminal as it is', async () => {
  await deadLetter('eve\u001b[2J\u202e');
  const { stdout } = await stage.cli(['operations', 'list']);
  expect(stdout).not.toContain('\u001b');
  expect(stdout).toContain('eve\\u{1b}[2J\\u{202e}');
});

test('list --json is one page, or all of them, and pages go on where the one before ended', async () => {
  const ids = [await deadLetter('dave'), await deadLetter('dave'), await deadLetter('dave')].toSorted();
  const list = async (...args: string[]) => {
    const ended = await stage.cli(['operations', 'list', '--scope', 'dave', '--json', ...args]);
    return JSON.parse(ended.stdout) as {
      operations: { operationId: string; state: string }[];
      next?: string;
      states: string[];
    };
  };
  const first = await list('--limit', '2');
  expect(first.operations.map(({ operationId }) => operationId)).toEqual(ids.slice(0, 2));
  const rest = await list('--limit', '2', '--after', first.next ?? '');
  expect(rest.operations.map(({ operationId }) => operationId)).toEqual(ids.slice(2));
  expect(rest.next).toBeUndefined();
  const all = await list('--limit', '1', '--all');
  expect(all.operations.map(({ operationId }) => operationId)).toEqual(ids);
  expect(all.states).toEqual(['suspended', 'dead']);
  expect((await list('--state', 'completed')).operations).toEqual([]);
});

test('show is one page with all that is known, and what can be done next', async () => {
  const id = await deadLetter('frank');
  const { code, stdout } = await stage.cli(['operations', 'show', id]);
  expect(code).toBe(0);
  expect(stdout).toContain(`${id}  dead`);
  expect(stdout).toMatch(/last error +step 'send': the provider is down\n +key of that step +[\w-]{43}\n/);
  expect(stdout).toMatch(/progress +\{"done":1,"of":2\} \(attempt 1, \d{4}-\d\d-\d\dT.*ago\)\)/);
  expect(stdout).toMatch(new RegExp(`semel operations redrive ${id} --seen \\d+ --reason`));
  expect(stdout).toMatch(/accepted +processing +started/);
  expect(stdout).toMatch(/processing +dead +exhausted/);
  expect(stdout).toMatch(/principal +frank/);
  expect(stdout).toMatch(/runs so far +1\n/);
  expect(stdout).toContain('may run again till');
  const json = JSON.parse((await stage.cli(['operations', 'show', id, '--json'])).stdout);
  expect(json.operation).toMatchObject({
    operationId: id,
    state: 'dead',
    lastError: "step 'send': the provider is down",
    failedStep: {
      name: 'send',
      childKey: expect.stringMatching(/^[\w-]{43}$/),
    },
  });
  expect(json.history.map(({ to }: { to: string }) => to)).toEqual(['accepted', 'processing', 'dead']);
  expect(json.progress.value).toEqual({ done: 1, of: 2 });
  expect(stdout + JSON.stringify(json)).not.toContain('cents');
});

test('a dead letter is redriven: its worker runs it, and who did it and why is kept', async () => {
  const id = await deadLetter();
  stage.provider.isDown = false;
  const { code, stdout } = await stage.cli([
    'operations',
    'redrive',
    id,
    ...as('alice', 'the provider is back'),
  ]);
  expect({ code, stdout: stdout.replace(id, '<id>') }).toEqual({
    code: 0,
    stdout:
      '<id> payouts.send is accepted: a worker takes it now, as attempt 3; dead again after 7. Runs so far: 1 (a redrive takes a number as well)\n',
  });
  await expect.poll(() => stage.state(id), { timeout: 10_000 }).toBe('completed');
  const page = (await stage.cli(['operations', 'show', id])).stdout;
  expect(page).toMatch(/runs so far +2; decisions take numbers of attempts too\n/);
  // What the provider knows the step by is what it was called with.
  expect(page).toMatch(new RegExp(`send +step +3 +${stage.provider.sent.at(-1)}\\n`));
  expect(page).not.toContain('may run again till');
  const shown = JSON.parse((await stage.cli(['operations', 'show', id, '--json'])).stdout);
  expect(shown.decisions).toMatchObject([
    { action: 'redriven', actor: 'operator:alice', reason: 'the provider is back' },
  ]);
});

test('of two operators who redrive at once one does; the other is told who was faster', async () => {
  const id = await deadLetter();
  stage.provider.isDown = false;
  const sentBefore = stage.provider.sent.length;
  const both = await Promise.all([
    stage.cli(['operations', 'redrive', id, ...as('alice')]),
    stage.cli(['operations', 'redrive', id, ...as('bob')]),
  ]);
  expect(both.map(({ code }) => code).toSorted((a, b) => a - b)).toEqual([0, 1]);
  const winner = both[0].code === 0 ? 'alice' : 'bob';
  const { stderr } = both.find(({ code }) => code === 1) ?? { stderr: '' };
  expect(stderr).toMatch(new RegExp(`^${id} is \\w+, so it can't be redriven\\..*Nothing was changed\\.`));
  expect(stderr).toContain(`It was redriven by operator:${winner}`);
  await expect.poll(() => stage.state(id), { timeout: 10_000 }).toBe('completed');
  expect(stage.provider.sent.length - sentBefore).toBe(1);
});

test.each([
  ['--completed', '{"sent":100}', undefined, 'completed'],
  ['--completed', '-', '{"sent":100}', 'completed'],
  ['--failed', '402,CARD_DECLINED,No, it was declined', undefined, 'failed'],
] as const)('resolve %s %s says for ever what became of it', async (option, value, input, state) => {
  const id = await deadLetter();
  const args = ['operations', 'resolve', id, option, value, '--json', ...as('alice')];
  const { code, stdout } = await stage.cli(args, input === undefined ? {} : { input });
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    action: 'resolve',
    operationId: id,
    kind: 'done',
    operation: { state },
  });
  const again = await stage.cli(['operations', 'redrive', id, ...as('bob')]);
  expect(again.code).toBe(1);
  expect(again.stderr).toContain(
    `${id} is ${state}, so it can't be redriven. It was resolved by operator:alice`,
  );
});

test("an output with types of its own is given in superjson's form, and never guessed at", async () => {
  const id = await deadLetter();
  const form = '{"json":{"at":"2026-11-22T12:00:00.000Z"},"meta":{"values":{"at":["Date"]},"v":1}}';
  const resolve = ['operations', 'resolve', id, '--completed-superjson'];
  for (const [wrong, why] of [
    ['{"at":1}', '--completed-superjson is { "json": …, "meta": … } and nothing else'],
    ['{"json":1,"more":2}', '--completed-superjson is { "json": …, "meta": … } and nothing else'],
    ['{', '--completed-superjson is no JSON'],
  ] as const) {
    const refused = await stage.cli([...resolve, wrong, ...as('alice')]);
    expect({ code: refused.code, stdout: refused.stdout }).toEqual({ code: 2, stdout: '' });
    expect(refused.stderr).toContain(why);
  }
  expect((await stage.cli([...resolve, form, ...as('alice')])).code).toBe(0);
  const { outcome } = (await stage.store.find(id))?.record ?? {};
  expect(createOutcomeCodec().toOutcome(outcome)).toEqual({
    kind: 'completed',
    value: { at: new Date('2026-11-22T12:00:00.000Z') },
  });
});

test('past the downstream window nothing runs again, and the way out is said', async () => {
  const id = await deadLetter();
  await stage.pool.query(
    `UPDATE ${stage.schema}.operation SET first_claimed_at = first_claimed_at - interval '30 days' WHERE operation_id = $1`,
    [id],
  );
  const { code, stderr } = await stage.cli(['operations', 'redrive', id, ...as('alice')]);
  expect(code).toBe(1);
  expect(stderr).toContain(`Find out what happened, then: semel operations resolve ${id}`);
  const shown = await stage.cli(['operations', 'show', id]);
  expect(shown.stdout).toContain('It may not run again');
});

test('an operation that there is not is 1, in words and as JSON', async () => {
  const none = await stage.cli(['operations', 'redrive', 'nothing', ...as('alice')]);
  expect(none).toMatchObject({ code: 1, stdout: '' });
  expect(none.stderr).toContain(`There is no operation nothing in the schema ${stage.schema}`);
  const json = await stage.cli(['operations', 'show', 'nothing', '--json']);
  expect({ code: json.code, said: JSON.parse(json.stdout) }).toEqual({ code: 1, said: { kind: 'absent' } });
});

test('redrive --all redrives what matches, one by one, and sums up', async () => {
  const ids = [await deadLetter('grace'), await deadLetter('grace'), await deadLetter('grace')];
  const [late = ''] = ids;
  await stage.pool.query(
    `UPDATE ${stage.schema}.operation SET first_claimed_at = first_claimed_at - interval '30 days' WHERE operation_id = $1`,
    [late],
  );
  stage.provider.isDown = false;
  const all = ['operations', 'redrive', '--all', '--scope', 'grace', ...as('alice')];
  expect((await stage.cli([...all, '--dry-run'])).stdout).toBe('3 operations would be redriven\n');
  const lines: string[] = [];
  const ended = await stage.cli([...all, '--json'], { progress: (line) => lines.push(line) });
  expect({ code: ended.code, summary: JSON.parse(ended.stdout) }).toEqual({
    code: 1,
    summary: {
      done: 2,
      refused: { not_now: [], window_passed: [late], absent: [] },
      errors: [],
      interrupted: false,
      dryRun: false,
    },
  });
  expect(lines).toContain('3 looked at, 2 redriven. Ctrl-C stops');
  expect(lines.at(-1)).toBe('');
  for (const id of ids.slice(1))
    await expect.poll(() => stage.state(id), { timeout: 10_000 }).toBe('completed');
});

test('Ctrl-C stops redrive --all between two, and the rest stays dead', async () => {
  for (let i = 0; i < 5; i++) await deadLetter('heidi');
  const interruption = new AbortController();
  const ended = await stage.cli(['operations', 'redrive', '--all', '--scope', 'heidi', ...as('alice')], {
    interrupted: interruption.signal,
    progress: () => interruption.abort(),
  });
  expect(ended.code).toBe(130);
  expect(ended.stdout).toContain('2 operations redriven');
  expect(ended.stdout).toContain(
    'Stopped. What was redriven stays so; the same command goes on with the rest.',
  );
  const shown = JSON.parse(
    (await stage.cli(['operations', 'list', '--scope', 'heidi', '--json', '--state', 'any'])).stdout,
  );
  const decided = shown.operations.filter(
    ({ policy }: { policy: { maxAttempts: number } }) => policy.maxAttempts > 1,
  );
  expect([shown.operations.length, decided.length]).toEqual([5, 2]);
});

test('redrive never makes a queue of its own: a wrong schema or queue is said, and nothing is changed', async () => {
  const other = await deadLetter();
  const queue = await stage.cli(['operations', 'redrive', other, ...as('a'), '--queue', 'other']);
  expect(queue.code).toBe(2);
  expect(queue.stderr).toContain(
    `There is no queue other in the schema ${stage.jobsSchema}: its queues are semel`,
  );
  const args = [
    'operations',
    'redrive',
    other,
    ...as('a'),
    '--schema',
    stage.schema,
    '--jobs-schema',
    'nowhere',
  ];
  const schema = await runCommand(args, { env: stage.env });
  expect(schema.code).toBe(2);
  expect(schema.stderr).toContain('There is no queue semel in the schema nowhere: there is no such schema.');
  expect(await stage.state(other)).toBe('dead');
  const made = await stage.pool.query("SELECT 1 FROM pg_namespace WHERE nspname = 'nowhere'");
  expect(made.rowCount).toBe(0);
});

test.each([
  [['operations'], 'which action? There is: list, show, resolve, redrive, release, cancel, purge'],
  [['operations', 'lsit'], 'there is no action lsit.'],
  [['operations', 'redrive', 'x'], 'why? --reason'],
  [['operations', 'redrive', 'x', '--reason', ' '], 'why? --reason'],
  [['operations', 'redrive', '--reason', 'r'], 'which operation?'],
  [['operations', 'redrive', 'x', '--scope', 's', '--reason', 'r'], '--scope is for --all'],
  [
    ['operations', 'redrive', '--all', '--state', 'completed', '--reason', 'r'],
    '--state takes dead and suspended here',
  ],
  [
    ['operations', 'redrive', 'x', '--grant', '0', '--reason', 'r'],
    '--grant is a whole number between 1 and 100',
  ],
  [['operations', 'list', '--state', 'daed'], '--state takes accepted, processing'],
  [['operations', 'list', '--limit', '5000'], '--limit is a whole number between 1 and 1000'],
  [
    ['operations', 'resolve', 'x', '--reason', 'r'],
    'one of --completed <json>, --completed-superjson <json> and --failed',
  ],
  [['operations', 'resolve', 'x', '--completed', '{', '--reason', 'r'], '--completed is no JSON'],
  [['operations', 'resolve', 'x', '--failed', '402', '--reason', 'r'], '--failed is status,code,message'],
  [
    ['operations', 'resolve', 'x', '--failed', '299,A,b', '--reason', 'r'],
    '400, 402, 403, 404, 409, 410 or 422',
  ],
  [
    ['operations', 'resolve', 'x', '--failed', '503,A,b', '--reason', 'r'],
    '400, 402, 403, 404, 409, 410 or 422',
  ],
  [['operations', 'purge', '--principal', 'p', '--reason', 'r'], 'say --yes'],
  [['operations', 'purge', '--reason', 'r', '--yes'], 'exactly one of --principal, --scope and --operation'],
])('%j is 2, with a reason', async (args, why) => {
  const { code, stdout, stderr } = await runCommand(args, { env: stage.env });
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(why);
});

const main = join(import.meta.dirname, '../main.ts');
function start(args: readonly string[]) {
  const env = { ...process.env, DATABASE_URL: stage.url };
  const all = ['--conditions=@semel/source', main, ...args, '--schema', stage.schema];
  let ended: (result: { code: number | null; stdout: string; stderr: string }) => void;
  const end = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    ended = resolve;
  });
  const child = execFile(process.execPath, all, { env }, (_, stdout, stderr) =>
    ended({ code: child.exitCode, stdout, stderr }),
  );
  return { child, end };
}

test('the real process prints JSON alone on standard output, and takes the database from the environment', async () => {
  const id = await deadLetter('ivan');
  const { code, stdout, stderr } = await start(['operations', 'list', '--scope', 'ivan', '--json']).end;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(JSON.parse(stdout).operations).toMatchObject([{ operationId: id, state: 'dead' }]);
});

test('the real process lets Ctrl-C finish what it is at, and sums up', async () => {
  for (let i = 0; i < 5; i++) await deadLetter('judy');
  const client = await stage.pool.connect();
  const args = ['redrive', '--all', '--scope', 'judy', '--jobs-schema', stage.jobsSchema, ...as('alice')];
  try {
    // It hangs in the middle of the first two.
    await client.query(`BEGIN; LOCK TABLE ${stage.jobsSchema}.job IN EXCLUSIVE MODE`);
    const { child, end } = start(['operations', ...args]);
    const waiting = async () => {
      const { rows } = await stage.pool.query<{ n: number }>(
        `SELECT count(*)::int AS n FROM pg_locks l JOIN pg_stat_activity a USING (pid)
         WHERE NOT l.granted AND a.query LIKE '%' || $1 || '%' AND a.application_name = 'semel' AND a.state = 'active'
           AND EXISTS (SELECT FROM pg_locks o WHERE o.pid = a.pid AND o.relation = $2::regclass)`,
        [stage.jobsSchema, `${stage.schema}.operation`],
      );
      return rows[0]?.n;
    };
    await expect.poll(waiting, { timeout: 15_000 }).toBe(2);
    child.kill('SIGINT');
    await client.query('ROLLBACK');
    const { code, stdout } = await end;
    expect(code).toBe(130);
    // Two more, where the signal is slower than Postgres.
    expect(stdout).toMatch(
      /^[24] operations redriven\nStopped\. What was redriven stays so; the same command goes on with the rest\.\n$/,
    );
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
});
