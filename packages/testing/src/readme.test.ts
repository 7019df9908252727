import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { compileFunction } from 'node:vm';
import * as serverStore from '@semel/server/store';
import * as testing from './index.ts';

// The first example of the README, run as it is printed there: only its imports come from the source.
const packages: Record<string, unknown> = { '@semel/server/store': serverStore, '@semel/testing': testing };
const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const example = /```ts\n(.*?)```/s.exec(readme)?.[1] ?? '';
const imports = /^import (\{[^}]*\}) from '([^']+)';$/gm;
const code = stripTypeScriptTypes(example).replace(imports, 'const $1 = packages["$2"];');
compileFunction(code, ['packages'])(packages);
