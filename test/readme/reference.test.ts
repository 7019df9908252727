import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
/** First column of the tables of a document, without its heads. */
const firstColumn = (markdown: string): string[] =>
  [...markdown.matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name as string);
const section = (markdown: string, title: string): string =>
  markdown.split(/^## /m).find((part) => part.startsWith(title)) ?? '';

test('docs/reference/policy.md has every field of a policy, in its order', () => {
  const source = read('packages/server/src/admission/policy.ts');
  const body = source.slice(source.indexOf('export interface IdempotencyPolicy'), source.indexOf('\n}\n'));
  const fields = [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, name]) => name);
  expect(fields.length).toBeGreaterThan(15);
  expect(firstColumn(read('docs/reference/policy.md'))).toEqual(fields);
});

test('docs/reference/events-and-metrics.md has every event and every instrument', () => {
  const events = read('packages/server/src/telemetry/events.ts');
  const union = events.slice(
    events.indexOf('export type SemelEvent'),
    events.indexOf('export type EventListener'),
  );
  const types = [...union.matchAll(/readonly type: '(\w+)'/g)].map(([, name]) => name);
  const instruments = [
    ...['metrics', 'backlog']
      .map((file) => read(`packages/server/src/telemetry/${file}.ts`))
      .join('')
      .matchAll(/create\w+\('([^']+)'/g),
  ].map(([, name]) => name);
  const page = read('docs/reference/events-and-metrics.md');
  expect(types.length).toBeGreaterThan(10);
  expect(firstColumn(section(page, 'Events'))).toEqual(types);
  expect(new Set(firstColumn(section(page, 'Metrics')))).toEqual(new Set(instruments));
});

const documents = [
  ...['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md'],
  ...readdirSync(join(root, 'docs'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.md'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/')),
];

test.each(documents)('every link in %s leads somewhere', (document) => {
  const links = [...read(document).matchAll(/\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)/g)];
  const broken = links
    .map(([, path]) => path as string)
    .filter((path) => !existsSync(join(root, dirname(document), path)));
  expect(broken).toEqual([]);
});

test('ARCHITECTURE.md names files that exist', () => {
  const text = read('ARCHITECTURE.md');
  const sources = [
    'packages/client/src',
    'packages/server/src',
    'packages/store-postgres/src',
    'tools',
    '.',
  ].flatMap((folder) =>
    folder === '.'
      ? ['tools/layers.ts', 'tools/check-layers.ts']
      : readdirSync(join(root, folder), { recursive: true }).map((path) =>
          String(path).replaceAll('\\', '/'),
        ),
  );
  const named = [...text.matchAll(/`([\w/-]+\.ts)`/g)].map(([, path]) => path as string);
  const missing = named.filter(
    (path) =>
      !sources.some((file) => file === path || file.endsWith(`/${path}`)) &&
      !existsSync(join(root, 'packages', path)),
  );
  expect(named.length).toBeGreaterThan(30);
  expect(missing).toEqual([]);
});
