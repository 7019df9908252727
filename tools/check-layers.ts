import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import ts from 'typescript';
import { isTestCode, type PackageRules, RULES } from './layers.ts';

export interface Violation {
  /** `packages/x/src/file.ts:12`, seen from the root. */
  readonly at: string;
  readonly why: string;
}

interface Import {
  readonly line: number;
  readonly specifier: string;
}

/** Every import of a package's code that goes against the order in `layers.ts`; empty when all is well. */
export function checkLayers(root: string, rules: readonly PackageRules[] = RULES): Violation[] {
  return rules.flatMap((rule) => checkPackage(root, rule));
}

function checkPackage(root: string, rule: PackageRules): Violation[] {
  const src = join(root, rule.folder, 'src');
  const imports = new Map<string, readonly Import[]>();
  for (const file of sourceFiles(src)) {
    if (!isTestCode(slashes(file))) imports.set(file, importsOf(readFileSync(file, 'utf8')));
  }
  const violations: Violation[] = [];
  const layersReached = reachThroughRoots(src, imports);
  for (const [file, list] of imports) {
    const from = layerOf(src, file);
    if (rule.layers.length > 0 && from !== undefined && !rule.layers.includes(from)) {
      const at = `${slashes(relative(root, file))}:1`;
      violations.push({ at, why: `the folder ${from} has no place in tools/layers.ts` });
    }
    for (const { line, specifier } of list) {
      const at = `${slashes(relative(root, file))}:${line}`;
      if (!specifier.startsWith('.')) {
        if (specifier.startsWith('@semel/') && !rule.mayImport.includes(specifier)) {
          violations.push({ at, why: `${rule.folder} may not import ${specifier}` });
        }
        continue;
      }
      const target = resolve(dirname(file), specifier);
      if (!target.startsWith(src + sep)) {
        violations.push({ at, why: `${specifier} leaves the package: import it by its name` });
      } else if (!existsSync(target)) {
        violations.push({ at, why: `${specifier} doesn't exist` });
      } else if (isTestCode(slashes(target))) {
        violations.push({ at, why: `${specifier} is there for tests only` });
      } else if (from !== undefined) {
        for (const to of layersReached(target)) {
          if (isLeftOf(rule.layers, to, from)) {
            const through = layerOf(src, target) === undefined ? ` through ${specifier}` : '';
            violations.push({ at, why: `${from} may not import ${to}${through}` });
          }
        }
      }
    }
  }
  return [...violations, ...cycles(root, imports)];
}

/**
 * A file directly in `src/` has no layer: an entry, a place where parts are put together, or words that all parts share.
 * Importing one counts as importing everything that it imports.
 */
function reachThroughRoots(src: string, imports: ReadonlyMap<string, readonly Import[]>) {
  return function layers(file: string, seen = new Set<string>()): Set<string> {
    const layer = layerOf(src, file);
    if (layer !== undefined) return new Set([layer]);
    const all = new Set<string>();
    if (seen.has(file)) return all;
    seen.add(file);
    for (const { specifier } of imports.get(file) ?? []) {
      if (!specifier.startsWith('.')) continue;
      for (const found of layers(resolve(dirname(file), specifier), seen)) all.add(found);
    }
    return all;
  };
}

/** Two files that need each other are one file, or miss a third. */
function cycles(root: string, imports: ReadonlyMap<string, readonly Import[]>): Violation[] {
  const done = new Set<string>();
  const found: Violation[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    const start = path.indexOf(file);
    if (start >= 0) {
      const ring = [...path.slice(start), file].map((name) => slashes(relative(root, name)));
      found.push({ at: `${ring[0]}:1`, why: `imports go in a circle: ${ring.join(' -> ')}` });
      return;
    }
    if (done.has(file)) return;
    for (const { specifier } of imports.get(file) ?? []) {
      if (specifier.startsWith('.')) visit(resolve(dirname(file), specifier), [...path, file]);
    }
    done.add(file);
  };
  for (const file of imports.keys()) visit(file, []);
  return found;
}

function importsOf(text: string): Import[] {
  const { importedFiles } = ts.preProcessFile(text, true, false);
  return importedFiles.map(({ fileName, pos }) => ({
    specifier: fileName,
    line: text.slice(0, pos).split('\n').length,
  }));
}

function isLeftOf(layers: readonly string[], to: string, from: string): boolean {
  const a = layers.indexOf(to);
  const b = layers.indexOf(from);
  return a >= 0 && b >= 0 && a < b;
}

/** The folder of `src/` that a file is in; `undefined` for files directly in it. */
function layerOf(src: string, file: string): string | undefined {
  const parts = slashes(relative(src, file)).split('/');
  return parts.length > 1 ? parts[0] : undefined;
}

function sourceFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
}

const slashes = (path: string): string => path.replaceAll(sep, '/');

if (import.meta.main) {
  const violations = checkLayers(resolve(import.meta.dirname, '..'));
  for (const { at, why } of violations) console.log(`${at} ${why}`);
  if (violations.length > 0) process.exitCode = 1;
}
