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

/** Bytes after `esbuild --minify` and `gzip -9`, the contract included; tRPC is the application's. */
async function sizeOf(names: string): Promise<{ gzip: number; table: string }> {
  const { outputFiles, metafile } = await build({
    stdin: { contents: `export ${names} from './index.ts'`, resolveDir, loader: 'ts' },
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
  return { gzip, table: [`${names}: ${gzip} bytes (gzip), of`, ...rows].join('\n') };
}

// Reached + 2 %. Whoever needs more raises the number, and says what for.
it.each([
  ['{ createSemelClient }', 5_285],
  ['{ createSemelClient, outcomeOf }', 5_395],
  ['*', 5_890],
] as const)('%s takes no more than %i bytes', async (names, limit) => {
  const { gzip, table } = await sizeOf(names);
  if (process.env.SIZES) console.log(table);
  expect(gzip).toBeGreaterThan(1_000);
  expect(gzip, table).toBeLessThanOrEqual(limit);
});

it('leaves out what an application doesn’t import', async () => {
  const { table } = await sizeOf('{ createSemelClient }');
  expect(table).toContain('adapters/link.ts');
  expect(table).not.toContain('keyed-fetch.ts');
  expect(table).not.toContain('outcome-of.ts');
  expect(table).not.toContain('contract/src/v1/problems.ts');
});
