// docs/guides/client: every example compiles, against the packages as they are; the journal that one shows passes the suite.
import { execFile } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Journal } from '@semel/client';
import { describeJournal } from '@semel/testing';
import { expect, test } from 'vitest';
import { writeExamples } from './examples.ts';

const root = resolve(import.meta.dirname, '../..');
const guides = 'docs/guides/client';
const folder = join(import.meta.dirname, '.generated/client-guides');
const pages = readdirSync(join(root, guides)).toSorted();

/** All pages' files in one folder: they share `api.ts`. */
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const files = pages.flatMap((page) => {
  const { folder: from, files } = writeExamples(`${guides}/${page}`, undefined, 'client-');
  for (const file of files) copyFileSync(join(from, file), join(folder, file));
  return files;
});

test('every example of the client guides compiles', { timeout: 180_000 }, async () => {
  const compilerOptions = {
    ...{ composite: false, emitDeclarationOnly: false, declaration: false, noEmit: true, jsx: 'react-jsx' },
  };
  const config = { extends: '../../../../tsconfig.base.json', compilerOptions, files };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  const tsc = join(root, 'node_modules/@typescript/native/bin/tsc');
  const { stdout }: { stdout: string } = await promisify(execFile)(process.execPath, [tsc, '-p', folder], {
    cwd: root,
  }).catch((error) => error);
  expect(files.toSorted()).toEqual([
    'api.ts',
    'async-storage-journal.ts',
    'connectivity.ts',
    'load.ts',
    'order-button.tsx',
    'pay-button.tsx',
    'pay.ts',
    'pending.tsx',
    'persist.ts',
    'plain.ts',
    'semel.tsx',
    'worker.ts',
  ]);
  expect(stdout.split('\n').filter((line) => line.startsWith('test/readme/.generated/'))).toEqual([]);
});

test.each(pages)('%s links to pages that are there', (page) => {
  const text = readFileSync(join(root, guides, page), 'utf8');
  const links = [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, link]) => link as string);
  expect(links.filter((link) => !existsSync(join(root, guides, dirname(page), link)))).toEqual([]);
});

const { asyncStorageJournal } = (await import(join(folder, 'async-storage-journal.ts'))) as {
  asyncStorageJournal: (storage: object) => Journal;
};

describeJournal("react-native.md's journal on AsyncStorage", () => {
  const items = new Map<string, string>();
  const storage = {
    getItem: async (key: string) => items.get(key) ?? null,
    setItem: async (key: string, value: string) => void items.set(key, value),
  };
  return { journal: asyncStorageJournal(storage) as never };
});
