// What an application's bundle grows by. SIZES=1 prints what it is made of; a failure does so too.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';

interface Bundler {
  build(options: object): Promise<{
    outputFiles: { contents: Uint8Array }[];
    metafile: { outputs: Record<string, { inputs: Record<string, { bytesInOutput: number }> }> };
  }>;
}
// The bundler that builds this package, which brings it along.
const { resolve } = createRequire(import.meta.url);
const { build } = createRequire(resolve('tsup'))('esbuild') as Bundler;
const resolveDir = fileURLToPath(new URL('.', import.meta.url));

/** Bytes after `esbuild --minify` (which takes it for production) and `gzip -9`; tRPC is the application's. */
async function sizeOf(names: string, ...entries: string[]): Promise<{ gzip: number; table: string }> {
  const more = entries.map((entry) => `export * from './${entry}.ts';`).join('');
  const { outputFiles, metafile } = await build({
    stdin: { contents: `export ${names} from './index.ts';${more}`, resolveDir, loader: 'ts' },
    bundle: true,
    minify: true,
    format: 'esm',
    write: false,
    metafile: true,
    conditions: ['@semel/source'],
    external: ['@trpc/*'],
    absWorkingDir: resolveDir,
  });
  const rows = Object.entries(Object.values(metafile.outputs)[0]?.inputs ?? {})
    .map(([file, { bytesInOutput }]) => ({ file, bytesInOutput }))
    .filter(({ bytesInOutput }) => bytesInOutput > 0)
    .toSorted((a, b) => b.bytesInOutput - a.bytesInOutput)
    .map(({ file, bytesInOutput }) => `${String(bytesInOutput).padStart(6)}  ${file}`);
  const gzip = gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).length;
  return { gzip, table: [`${names} ${entries.join(' ')}: ${gzip} bytes (gzip), of`, ...rows].join('\n') };
}

// Reached + 1 %. Whoever needs more raises the number, and says what for.
it.each([
  ['{ createSemelClient }', [], 7_110],
  ['{ createSemelClient, outcomeOf }', [], 7_240],
  ['{ createSemelClient, outcomeOf, resume }', [], 7_910],
  ['*', [], 8_520],
  ['*', ['indexeddb', 'tabs'], 10_090],
] as const)('%s %s takes no more than %i bytes', async (names, entries, limit) => {
  const { gzip, table } = await sizeOf(names, ...entries);
  if (process.env.SIZES) console.log(table);
  expect(gzip).toBeGreaterThan(1_000);
  expect(gzip, table).toBeLessThanOrEqual(limit);
});

it.each([
  ['indexeddb', 900],
  ['web-storage', 900],
  ['tabs', 900],
])('%s adds no more than %i bytes', async (entry, limit) => {
  const alone = await sizeOf('{ createSemelClient }');
  const { gzip } = await sizeOf('{ createSemelClient }', entry);
  expect(gzip - alone.gzip).toBeGreaterThan(300);
  expect(gzip - alone.gzip).toBeLessThanOrEqual(limit);
});

it('leaves out what an application doesn’t import', async () => {
  const { table } = await sizeOf('{ createSemelClient }');
  expect(table).toContain('adapters/link.ts');
  expect(table).not.toContain('keyed-fetch.ts');
  expect(table).not.toContain('outcome-of.ts');
  expect(table).not.toContain('resume.ts');
  expect(table).not.toContain('sturdy.ts');
  expect(table).not.toContain('presence/tabs.ts');
  // Of the contract only types: a bundler that can't shake its tables out would bring more than a kilobyte of them.
  expect(table).not.toContain('contract/src');
});
