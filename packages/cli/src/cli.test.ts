import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { inspectReport } from '@semel/server/inspect';
import { expect, test } from 'vitest';
import { type Ended, runCommand } from './testing/terminal.ts';

const fixtures = join(import.meta.dirname, 'inspect/fixtures');

/** The command as a shell runs it. */
function shell(...args: string[]): Promise<Ended> {
  const node = ['--conditions=@semel/source', join(import.meta.dirname, 'main.ts'), ...args];
  const env = { ...process.env, NO_COLOR: '1' };
  return new Promise((resolve) => {
    execFile(process.execPath, node, { cwd: fixtures, env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

/** The same without a process of its own. */
const semel = (...args: string[]) => runCommand(args, { cwd: fixtures });

test('findings are printed for people, grouped by what they have in common, and fail', async () => {
  const { code, stdout } = await shell('inspect', 'shop.fixture.ts');
  expect(stdout).toBe(`Errors

  no_policy
    orders.cancel is a mutation without an idempotency policy
    orders.forget is a mutation without an idempotency policy
    Why: A client that lost the answer can only send it again, and then it happens twice.
    Instead: idempotent(t.procedure).meta({ idempotency: { mode: 'atomic' } }), or 'leased' if it calls out; if twice is as good as once, accept this finding with that reason.
    docs/guides/inspect.md#no_policy

Warnings

  effect_outside_step
    refund looks like stripe.refunds.create() has an effect outside of a step
    Why: An effect that is no step isn't recorded: if the handler throws or dies afterwards, the next attempt does it again.
    Instead: operation.step('name', (childKey) => …) around a call to the outside, operation.transaction or operation.settle around writes.
    docs/guides/inspect.md#effect_outside_step

Accepted

  no_policy logout: logging out twice is logged out

5 mutations, 2 protected: 2 errors, 1 warning, 0 advice, 1 accepted
`);
  expect(code).toBe(1);
});

test('--json prints the report and nothing else, whatever the module prints', async () => {
  const { code, stdout, stderr } = await shell('inspect', './shop.fixture.ts', '--json');
  const report = inspectReport.parse(JSON.parse(stdout));
  expect(report.summary).toEqual({
    mutations: 5,
    protected: 2,
    error: 2,
    warning: 1,
    advice: 0,
    accepted: 1,
  });
  expect(code).toBe(1);
  expect(stderr).toContain('a module that prints');
});

test.each([
  [['--export', 'clean'], 0],
  [['--export', 'clean', '--fail-on', 'advice'], 0],
])('a router without findings exits with 0: %j', async (options, code) => {
  const ended = await semel('inspect', 'shop.fixture.ts', ...options);
  expect(ended).toMatchObject({ code, stdout: '1 mutation, 1 protected: 0 errors, 0 warnings, 0 advice\n' });
});

test('plain routes are looked at; warnings fail where they are asked to', async () => {
  const lenient = await semel('inspect', 'routes.fixture.ts');
  expect(lenient.stdout).toContain(
    'orders.create looks like fetch() goes out of the handler of one transaction',
  );
  expect(lenient.stdout).toContain('2 mutations, 2 protected: 0 errors, 1 warning, 0 advice');
  expect(lenient.code).toBe(0);
  expect((await semel('inspect', 'routes.fixture.ts', '--fail-on', 'warning')).code).toBe(1);
});

test('a router whose policy is refused says so', async () => {
  const { code, stdout, stderr } = await shell('inspect', 'refused.fixture.ts');
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(
    "refused.fixture.ts doesn't load: PolicyError: idempotency policy: onCrash: 'resume' needs effects: 'steps'",
  );
});

test.each([
  [[], 'which module?'],
  [['nothing.ts'], 'there is no file nothing.ts'],
  [['shop.fixture.ts', 'more.ts'], 'one module at a time, not also more.ts'],
  [['shop.fixture.ts', '--fail-on', 'everything'], '--fail-on takes error, warning, advice, not everything'],
  [['shop.fixture.ts', '--jsno'], "Unknown option '--jsno'"],
  [['shop.fixture.ts', '--export', 'none'], "doesn't export none. It exports appRouter, clean, notARouter"],
  [['shop.fixture.ts', '--export', 'notARouter'], 'notARouter of shop.fixture.ts is no tRPC router'],
])('what cannot be looked at is 2, with a reason: %j', async (args, why) => {
  const { code, stdout, stderr } = await semel('inspect', ...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(why);
});

test('help says what there is, and how it is used', async () => {
  const overview = await semel('--help');
  expect(overview).toMatchObject({ code: 0, stderr: '' });
  expect(overview.stdout).toContain('  inspect     looks at a router before it goes live\n');
  expect((await semel('inspect', '--help')).stdout).toContain('--fail-on <severity>');
  expect((await semel()).code).toBe(2);
  expect(await semel('inspcet')).toMatchObject({
    code: 2,
    stderr: 'semel: there is no command inspcet. There is: inspect, migrate, doctor, operations\n',
  });
});

test('what is wrong with a command line is said with the help that is about it', async () => {
  const show = await runCommand(['operations', 'show']);
  expect(show.stderr).toContain("semel operations show --help says how it's used.");
  const doctor = await runCommand(['doctor', 'postgres://x']);
  expect(doctor.stderr).toContain("semel doctor --help says how it's used.");
});
