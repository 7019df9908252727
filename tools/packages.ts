import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Command, pnpm } from './run.ts';

/** A package that is published, as it lies in the repository. */
export interface Published {
  readonly name: string;
  readonly folder: string;
  readonly manifest: Manifest;
}

interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

export function publishedPackages(root: string): Published[] {
  return readdirSync(join(root, 'packages'))
    .map((name) => join(root, 'packages', name))
    .filter((folder) => existsSync(join(folder, 'package.json')))
    .map((folder) => ({ folder, manifest: readManifest(folder) }))
    .filter(({ manifest }) => manifest.private !== true)
    .map(({ folder, manifest }) => ({ name: manifest.name, folder, manifest }));
}

/** What may be imported or required: `@semel/server` and `./trpc` make `@semel/server/trpc`. */
export function entriesOf({ name, manifest }: Published, how: 'import' | 'require'): string[] {
  return Object.entries(manifest.exports)
    .filter(([, conditions]) => typeof conditions === 'object' && conditions !== null && how in conditions)
    .map(([entry]) => name + entry.slice(1));
}

export function packCommand({ folder }: Published, into: string): Command {
  return pnpm(['pack', '--pack-destination', into], { cwd: folder });
}

export const tarballOf = ({ name }: Published, into: string): string => {
  const prefix = `${name.replace('@', '').replace('/', '-')}-`;
  const file = readdirSync(into).find(
    (entry) => entry.startsWith(prefix) && /^\d.*\.tgz$/.test(entry.slice(prefix.length)),
  );
  if (file === undefined) throw new Error(`${name} was not packed`);
  return join(into, file);
};

/**
 * Lays the packed packages out as an installation would, without a network: unpacked below `node_modules`, beside exactly
 * what they declare. What a package uses and doesn't declare is missing, as it would be for its users.
 */
export function layOut(
  packages: readonly Published[],
  tarballs: string,
  consumer: string,
  alsoFrom: string,
): void {
  const modules = join(consumer, 'node_modules');
  rmSync(modules, { recursive: true, force: true });
  for (const one of packages) {
    const into = join(modules, one.name);
    mkdirSync(into, { recursive: true });
    execFileSync('tar', ['-xzf', tarballOf(one, tarballs), '-C', into, '--strip-components=1']);
    const { dependencies, peerDependencies } = readManifest(into);
    for (const name of Object.keys({ ...dependencies, ...peerDependencies })) link(one.folder, name);
  }
  // What the consumer itself uses.
  for (const name of Object.keys(readManifest(alsoFrom).dependencies ?? {})) link(alsoFrom, name);
  for (const name of ['@types/node', '@types/pg']) link(alsoFrom, name);

  function link(from: string, name: string): void {
    const at = join(modules, name);
    if (existsSync(at) || packages.some((one) => one.name === name)) return;
    mkdirSync(dirname(at), { recursive: true });
    symlinkSync(realpathSync(join(from, 'node_modules', name)), at, 'junction');
  }
}

const readManifest = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
