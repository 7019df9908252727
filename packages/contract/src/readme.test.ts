import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';

it('the example of the README runs', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const example = /```ts\n([\s\S]*?)```/.exec(readme)?.[1];
  expect(example).toContain('assert.');
  // Inside the package, where its own name resolves to it.
  const folder = new URL('../.tsbuild/', import.meta.url);
  const file = new URL(`readme-${process.pid}.ts`, folder);
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, `${example}\nconsole.log('ran to its end');\n`);
  try {
    const output = execFileSync(process.execPath, ['--conditions=@semel/source', file.pathname], {
      encoding: 'utf8',
    });
    expect(output).toBe('ran to its end\n');
  } finally {
    rmSync(file);
  }
});
