import { readFileSync } from 'node:fs';
import { afterEach, expect, test, vi } from 'vitest';
import { type Child, type StartChildOptions, startChild } from './child-process.ts';

interface Echo {
  readonly echo: unknown;
  readonly at: string;
}
const file = new URL('./child-process.fixture.ts', import.meta.url);
const started: Child<Echo>[] = [];
const start = async (role: string, more: Partial<StartChildOptions> = {}) => {
  const child = await startChild<Echo>({ file, args: [role], ...more });
  started.push(child);
  return child;
};
afterEach(() => Promise.all(started.splice(0).map((child) => child.kill())));

/** One that nobody has taken note of yet (a container's first process may never) runs no more. */
const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0);
    return process.platform !== 'linux' || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};

test('runs the same Node with the environment it was given and answers messages', async () => {
  const child = await start('echo', { env: { FIXTURE_VARIABLE: 'x' } });
  expect(child.ready).toEqual({ ready: true, execPath: process.execPath, variable: 'x' });
  child.send('one');
  child.send('two');
  expect((await child.message((message) => message.echo === 'two')).echo).toBe('two');
  expect((await child.message()).echo).toBe('one');
});

test('a pattern on standard output says that it is ready', async () => {
  const child = await start('server', { ready: /^listening on (\d+)$/ });
  expect(child.ready).toEqual({ line: 'listening on 4711' });
  expect(child.output()).toBe('starting\nlistening on 4711\n');
});

test('kill ends it without a handler having run', async () => {
  const child = await start('echo');
  const next = child.message();
  expect(await child.kill()).toEqual({ code: null, signal: 'SIGKILL' });
  await expect(next).rejects.toThrow('the child is gone (signal SIGKILL)');
  expect(isAlive(child.pid)).toBe(false);
});

test('terminate lets its handler run', async () => {
  const child = await start('echo');
  expect(await child.terminate()).toEqual({ code: 3, signal: null });
  expect(await child.exited).toEqual({ code: 3, signal: null });
  expect(child.output()).toBe('finishing\n');
});

test('a stopped child does nothing until it is continued, then carries on', async () => {
  const child = await start('echo');
  await child.stop();
  child.send('while stopped');
  const continuedAt = process.hrtime.bigint(); // the same clock in both processes
  child.cont();
  const answer = await child.message();
  expect(answer.echo).toBe('while stopped');
  expect(BigInt(answer.at) > continuedAt).toBe(true);
});

test('a stopped child can be killed', async () => {
  const child = await start('echo');
  await child.stop();
  expect(await child.kill()).toEqual({ code: null, signal: 'SIGKILL' });
});

test('a child that breaks before it is ready is an error with its output', async () => {
  await expect(start('broken')).rejects.toThrow(
    /ended before it was ready \(exit code 1\)[\s\S]*cannot begin/,
  );
});

test('a child that is never ready is killed', async () => {
  // The timer starts before Node does; a literal that leaves time to boot isn't needed: either way it isn't ready.
  await expect(start('silent', { readyTimeoutMs: 50 })).rejects.toThrow('was not ready within 50 ms');
});

test.each(['running', 'stopped'])('no orphan remains when the parent is killed (%s child)', async (how) => {
  const parent = await start('parent', { args: ['parent', how] });
  const grandchild = Number(parent.ready.grandchild);
  expect(isAlive(grandchild)).toBe(true);
  await parent.kill();
  await vi.waitFor(() => expect(isAlive(grandchild)).toBe(false), { timeout: 20_000 });
});
