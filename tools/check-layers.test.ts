import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { checkLayers } from './check-layers.ts';

let root: string | undefined;
afterEach(() => {
  if (root !== undefined) rmSync(root, { recursive: true, force: true });
  root = undefined;
});

/** Files of a made-up repository, and what the check says about it. */
function violationsIn(files: Record<string, string>): string[] {
  root = mkdtempSync(join(tmpdir(), 'layers-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return checkLayers(root).map(({ at, why }) => `${at} ${why}`);
}

test('an import to the right is allowed, one to the left is found with its line', () => {
  expect(
    violationsIn({
      'packages/server/src/engine/run.ts': `// first line\nimport { a } from '../store/port.ts';`,
      'packages/server/src/store/port.ts': `export const a = 1;\n\nexport { b } from '../telemetry/events.ts';`,
      'packages/server/src/telemetry/events.ts': `export const b = 1;\nimport { c } from '../admission/key.ts';`,
      'packages/server/src/admission/key.ts': `export const c = 1;`,
    }),
  ).toEqual(['packages/server/src/telemetry/events.ts:2 telemetry may not import admission']);
});

test('a type-only import, an import type and a dynamic import are held to the same rule', () => {
  expect(
    violationsIn({
      'packages/client/src/adapters/link.ts': `export interface Link {}`,
      'packages/client/src/delivery/a.ts': `import type { Link } from '../adapters/link.ts';`,
      'packages/client/src/intent/b.ts': `export type L = import('../adapters/link.ts').Link;`,
      'packages/client/src/journal/c.ts': `export const load = () => import('../adapters/link.ts');`,
    }),
  ).toEqual([
    'packages/client/src/delivery/a.ts:1 delivery may not import adapters',
    'packages/client/src/intent/b.ts:1 intent may not import adapters',
    'packages/client/src/journal/c.ts:1 journal may not import adapters',
  ]);
});

test('a root file is no way round: importing it counts as importing what it imports', () => {
  expect(
    violationsIn({
      'packages/server/src/adapters/http.ts': `export const http = 1;`,
      'packages/server/src/words.ts': `export * from './more-words.ts';`,
      'packages/server/src/more-words.ts': `export * from './adapters/http.ts';`,
      'packages/server/src/store/port.ts': `import { http } from '../words.ts';`,
    }),
  ).toEqual(['packages/server/src/store/port.ts:1 store may not import adapters through ../words.ts']);
});

test('a package imports only the packages it is allowed, and never by a path', () => {
  expect(
    violationsIn({
      'packages/contract/src/index.ts': `import { run } from '@semel/server';`,
      'packages/client/src/index.ts': `import { z } from '@semel/contract/v1';\nimport '@semel/contract/v1/pure';`,
      'packages/store-postgres/src/index.ts': `import '@semel/server';\nimport type {} from '@semel/server/store';`,
      'packages/testing/src/index.ts': `import '../../contract/src/index.ts';`,
    }),
  ).toEqual([
    'packages/contract/src/index.ts:1 packages/contract may not import @semel/server',
    'packages/client/src/index.ts:1 packages/client may not import @semel/contract/v1',
    'packages/store-postgres/src/index.ts:1 packages/store-postgres may not import @semel/server',
    'packages/testing/src/index.ts:1 ../../contract/src/index.ts leaves the package: import it by its name',
  ]);
});

test('a circle of files is found', () => {
  expect(
    violationsIn({
      'packages/server/src/engine/a.ts': `import './b.ts';`,
      'packages/server/src/engine/b.ts': `import type {} from './a.ts';`,
    }),
  ).toEqual([
    'packages/server/src/engine/a.ts:1 imports go in a circle: packages/server/src/engine/a.ts -> packages/server/src/engine/b.ts -> packages/server/src/engine/a.ts',
  ]);
});

test('tests may import anything, and nothing else may import tests', () => {
  expect(
    violationsIn({
      'packages/client/src/delivery/a.test.ts': `import '../adapters/link.ts';\nimport '@semel/testing';`,
      'packages/client/src/adapters/link.ts': `import '../test-rig/clock.ts';`,
      'packages/client/src/test-rig/clock.ts': `import '../adapters/link.ts';`,
    }),
  ).toEqual(['packages/client/src/adapters/link.ts:1 ../test-rig/clock.ts is there for tests only']);
});

test('a folder without a place in the order is found', () => {
  expect(violationsIn({ 'packages/server/src/misc/a.ts': `export const a = 1;` })).toEqual([
    'packages/server/src/misc/a.ts:1 the folder misc has no place in tools/layers.ts',
  ]);
});

test('this repository keeps the order', () => {
  expect(checkLayers(resolve(import.meta.dirname, '..'))).toEqual([]);
});
