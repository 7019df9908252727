import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');

test('the example prints what the README says, and its code is in the README', async () => {
  const example = fileURLToPath(new URL('../examples/lost-answer.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [example]);
  expect(stdout).toBe('first answer:  fetch failed\nsecond answer: 201 - replayed: true\nreally billed: 1\n');
  const readme = read('../README.md');
  expect(readme).toContain(stdout);
  const shown = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? 'nothing';
  expect(read('../examples/lost-answer.ts')).toContain(shown);
});
