import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** The version of a package as installed here; not every package exports its package.json. */
export function versionOf(name: string): string {
  let folder = dirname(createRequire(import.meta.url).resolve(name));
  for (;;) {
    const file = join(folder, 'package.json');
    if (existsSync(file)) {
      const found = JSON.parse(readFileSync(file, 'utf8')) as { name?: string; version?: string };
      if (found.name === name && found.version !== undefined) return found.version;
    }
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`${name} has no package.json above its entry`);
    folder = parent;
  }
}
