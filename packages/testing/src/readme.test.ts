import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { compileFunction } from 'node:vm';
import * as serverStore from '@semel/server/store';
import * as mswNode from 'msw/node';
import * as vitest from 'vitest';
import { targetFrom } from './contract/config.ts';
import { startLittleServer } from './contract/wrong/little-server.ts';
import * as testing from './index.ts';
import * as testingMsw from './msw.ts';

/** The server that a reader would have. */
async function startServer(): Promise<string> {
  const { target, close } = await startLittleServer();
  closing.push(close);
  return target.url;
}
const closing: (() => Promise<void>)[] = [];
vitest.afterAll(async () => {
  for (const close of closing) await close();
});

// The examples of the README, run as they are printed there: only their imports come from the source.
const packages: Record<string, unknown> = {
  '@semel/server/store': serverStore,
  '@semel/testing': testing,
  '@semel/testing/msw': testingMsw,
  'msw/node': mswNode,
  vitest,
  './server.ts': { startServer },
};
const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const imports = /^import (\{[^}]*\}) from '([^']+)';$/gm;
const bound = (_: string, names: string, from: string) =>
  `const ${names.replace(/\btype \w+,? ?/g, '').replaceAll(' as ', ': ')} = packages["${from}"];`;
const examples = [...readme.matchAll(/```ts\n(.*?)```/gs)].map(([, example = '']) => example);
for (const example of examples) {
  compileFunction(stripTypeScriptTypes(example).replace(imports, bound), ['packages'])(packages);
}

vitest.test('the README has an example for a store, a server and a frontend', () => {
  vitest.expect(examples).toHaveLength(3);
});

vitest.test("the README's config file is understood", () => {
  const config = JSON.parse(/```json\n(.*?)```/s.exec(readme)?.[1] ?? '');
  const target = targetFrom(config);
  vitest.expect(target.body?.({ reference: 'r', amount: 2 })).toEqual({ sku: 'r', quantity: 2 });
  vitest.expect(target.executionOf?.({ order: { id: 'o-1' } })).toBe('o-1');
});
