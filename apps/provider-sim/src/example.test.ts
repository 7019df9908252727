import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');

test('the example prints what the README says, and its code is in the README', async () => {
  const example = fileURLToPath(new URL('../examples/lost-answer.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ['--conditions=@semel/source', example]);
  expect(stdout).toBe(
    'first answer:  StripeConnectionError\nsecond answer: succeeded - replayed: true\nreally charged: 1\n',
  );
  const readme = read('../README.md');
  expect(readme).toContain(stdout);
  const code = read('../examples/lost-answer.ts');
  const shown = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? 'nothing';
  expect(code).toContain(shown);
});
