// Everything that a change must pass besides the tests: npm run check
//   npm run check -- types layers      only the checks whose name begins so (the build runs when one of them needs it)
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { entriesOf, layOut, packCommand, publishedPackages, tarballOf } from './packages.ts';
import { node, pnpm, run } from './run.ts';

const root = resolve(import.meta.dirname, '..');
process.chdir(root);
const packaging = join(root, 'test/packaging');
const packages = publishedPackages(root);
const work = mkdtempSync(join(tmpdir(), 'semel-check-'));
const tarballs = join(work, 'tarballs');
const consumer = join(work, 'consumer');
const tscOf = (version) => join(packaging, 'node_modules', `typescript-${version}`, 'bin/tsc');
const bin = (name) => join(root, 'node_modules/.bin', name);
const command = (name, ...args) => ({ file: bin(name), args });

/** tRPC's own declarations want 5.7 or newer: before that only ours are judged, by what the consumer sees of them. */
const TYPESCRIPTS = { 5.6: ['--skipLibCheck'], 5.9: [], '6.0': [], '7.0': [] };
const NODES = ['22', '24', '26'];

/** In order; those that look at built packages say so with `built`. */
const checks = [
  { name: 'types', run: command('tsc', '-b') },
  { name: 'format and lint', run: command('biome', 'check', '--colors=off', '.') },
  { name: 'lint with types', run: command('oxlint', '--type-aware') },
  { name: 'layers', run: node(['tools/check-layers.ts']) },
  {
    name: 'generated files unchanged',
    skip: !existsSync('tools/generate.ts') && 'there is no tools/generate.ts',
    run: node(['--conditions=@semel/source', 'tools/generate.ts', '--check']),
  },
  { name: 'unused code (knip)', run: command('knip', '--no-progress') },
  {
    name: 'build',
    build: true,
    run: pnpm(['-r', '--workspace-concurrency=2', '--filter', './packages/*', 'run', 'build']),
  },
  { name: 'pack', build: true, run: pack },
  ...packages.map((one) => ({
    name: `publint ${one.name}`,
    built: true,
    run: () => run(command('publint', '--strict', tarballOf(one, tarballs))),
  })),
  ...packages.map((one) => ({
    name: `are the types wrong ${one.name}`,
    built: true,
    run: () =>
      run(
        command(
          'attw',
          '--profile',
          isEsmOnly(one) ? 'esm-only' : 'node16',
          '--no-emoji',
          '--no-color',
          tarballOf(one, tarballs),
        ),
      ),
  })),
  { name: 'sizes', built: true, run: command('size-limit') },
  ...Object.entries(TYPESCRIPTS).map(([version, options]) => ({
    name: `a consumer compiles with TypeScript ${version}`,
    built: true,
    run: () => run(node([tscOf(version), '-p', consumer, ...options])),
  })),
  ...NODES.flatMap((version) => onNode(version)),
];

/** vitest can't be required, so what needs it isn't offered to `require`. */
function isEsmOnly(one) {
  return entriesOf(one, 'require').length === 0;
}

/** The published packages on a Node line: every entry imported and required, and one operation carried through. */
function onNode(version) {
  const file = nodeBinary(version);
  const skip = file === undefined && `npm has no Node ${version} for ${process.platform}-${process.arch}`;
  const entries = (how) => packages.flatMap((one) => entriesOf(one, how));
  return [
    ['entries.mjs', ...entries('import')],
    ['entries.cjs', ...entries('require')],
    ['once.mjs'],
    ['once.cjs'],
  ].map((args) => ({
    name: `Node ${version} runs ${args[0]}`,
    built: true,
    skip,
    run: () => run({ file, args, cwd: consumer }),
  }));
}

function nodeBinary(version) {
  if (process.versions.node.startsWith(`${version}.`)) return process.execPath;
  const exe = process.platform === 'win32' ? 'node.exe' : 'node';
  const file = join(
    packaging,
    'node_modules',
    `node-${version}-${process.platform}-${process.arch}`,
    'bin',
    exe,
  );
  return existsSync(file) ? file : undefined;
}

async function pack() {
  mkdirSync(tarballs, { recursive: true });
  const results = await Promise.all(packages.map((one) => run(packCommand(one, tarballs))));
  const failed = results.find((result) => !result.ok);
  if (failed !== undefined) return failed;
  cpSync(join(packaging, 'consumer'), consumer, { recursive: true });
  layOut(packages, tarballs, consumer, packaging);
  return { ok: true, output: '' };
}

const wanted = process.argv.slice(2);
const asked = checks.filter(
  ({ name }) => wanted.length === 0 || wanted.some((start) => name.startsWith(start)),
);
const todo = checks.filter(
  (check) => asked.includes(check) || (check.build && asked.some(({ built }) => built)),
);
const count = { passed: 0, failed: 0 };
let broken = '';
try {
  for (const [index, check] of todo.entries())
    await perform(check, `[${index + 1}/${todo.length}] ${check.name}`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
if (todo.length === 0) {
  console.log(
    `No check begins with ${wanted.join(' or ')}. There are:\n${checks.map(({ name }) => `  ${name}`).join('\n')}`,
  );
}
console.log(`${count.passed} passed, ${count.failed} failed`);
process.exitCode = count.failed > 0 || count.passed === 0 ? 1 : 0;

async function perform(check, title) {
  const because = check.skip || (check.built && broken !== '' && `${broken} failed`);
  if (because) {
    console.log(`${title}: skipped, ${because}`);
    return;
  }
  const startedAt = performance.now();
  const { ok, output } = await (typeof check.run === 'function' ? check.run() : run(check.run)).catch(
    (error) => ({
      ok: false,
      output: error.stack,
    }),
  );
  const took = `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
  console.log(`${title}: ${ok ? 'ok' : 'FAILED'}, ${took}`);
  count[ok ? 'passed' : 'failed']++;
  if (ok) return;
  if (check.build) broken ||= check.name;
  console.log(output.trimEnd().replace(/^/gm, '    '));
}
