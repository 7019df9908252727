import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as newest from '../index.ts';
import * as v1 from './index.ts';
import * as pure from './pure.ts';

/** Every module that a file imports at run time, with the files of this package followed. */
function reached(url: URL, seen = new Map<string, string[]>()): Map<string, string[]> {
  if (seen.has(url.href)) return seen;
  const foreign: string[] = [];
  seen.set(url.href, foreign);
  // Type-only statements and `typeof import('…')` are erased.
  const source = readFileSync(url, 'utf8').replace(/^(?:import|export) type [^;]*;$/gm, '');
  const statements = [
    ...source.matchAll(/^(?:import|export)\s(?:[^;']*?\bfrom )?'([^']+)';$/gm),
    ...source.matchAll(/(?<!typeof )\bimport\(\s*['"`]([^'"`]+)/g),
  ];
  for (const [, specifier] of statements) {
    if (specifier?.startsWith('.')) reached(new URL(specifier, url), seen);
    else if (specifier) foreign.push(specifier);
  }
  return seen;
}

describe('entries', () => {
  it('below pure.ts reach no package and no module of Node', () => {
    const files = reached(new URL('./pure.ts', import.meta.url));
    expect(files.size).toBeGreaterThan(15);
    expect([...files.values()].flat()).toEqual([]);
  });

  it('below index.ts reach zod, which the check above would see', () => {
    const files = reached(new URL('./index.ts', import.meta.url));
    expect([...files.values()].flat()).toContain('zod');
  });

  it('give the newest version under the plain name', () => {
    expect(newest).toEqual(v1);
    expect(Object.keys(v1)).toEqual(expect.arrayContaining(Object.keys(pure)));
  });
});
