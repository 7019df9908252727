// The client as it is, on every runtime that npm has: two lives of one process, with its answers counted at a real server.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createMemoryStore } from '@semel/server';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTrpcServer } from '../fixtures/trpc-server.ts';

const here = import.meta.dirname;
const platform = `${process.platform}-${process.arch}`;
const packaging = join(here, '../packaging/node_modules');
const modules = join(here, '../node_modules');
const arch = process.arch === 'arm64' ? 'aarch64' : process.arch;

interface Runtime {
  readonly file: string;
  readonly args?: readonly string[];
}

const nodeOf = (version: string): Runtime => ({
  file: process.versions.node.startsWith(`${version}.`)
    ? process.execPath
    : join(packaging, `node-${version}-${platform}/bin/node`),
});

const RUNTIMES: Record<string, Runtime> = {
  'Node 22': nodeOf('22'),
  'Node 24': nodeOf('24'),
  'Node 26': nodeOf('26'),
  Bun: { file: join(modules, `@oven/bun-${process.platform}-${arch}/bin/bun`) },
  Deno: {
    file: join(modules, `@deno/${process.platform === 'linux' ? `${platform}-glibc` : platform}/deno`),
    args: ['run', '--allow-all', '--no-config'],
  },
};

const work = mkdtempSync(join(tmpdir(), 'semel-runtimes-'));
const story = join(work, 'story.mjs');
beforeAll(async () => {
  await build({
    entryPoints: [join(here, 'story.ts')],
    outfile: story,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'es2022',
    conditions: ['@semel/source'],
    logLevel: 'error',
  });
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

describe.each(Object.entries(RUNTIMES))('%s', (_, { file, args = [] }) => {
  const isThere = existsSync(file);

  test.skipIf(!isThere)('does each action once, in this life and after it', async () => {
    const runs: unknown[] = [];
    const server = await startTrpcServer(createMemoryStore(), {
      atomic: (_, input) => {
        runs.push((input as { cart: string }).cart);
        return { number: runs.length };
      },
    });
    const directory = mkdtempSync(join(work, 'life-'));
    const live = async (life: string) => {
      const { stdout } = await promisify(execFile)(file, [...args, story, server.url, directory, life], {
        env: { ...process.env, DENO_DIR: join(work, 'deno'), DENO_NO_UPDATE_CHECK: '1', NODE_OPTIONS: '' },
      });
      return JSON.parse(stdout);
    };
    try {
      const first = await live('first');
      expect(first).toMatchObject({
        lostAnswer: { status: 'completed', replayed: true, data: { number: 1 } },
        doubleClick: [{ status: 'completed', replayed: false, data: { number: 2 } }, true],
        requestsOfTen: 1,
        sqlite: { status: 'completed', replayed: false, data: { number: 13 } },
      });
      const number = runs.length;
      expect(await live('second')).toEqual({
        pending: [{ state: 'sending', intent: 'pay["left"]' }],
        resumed: [{ status: 'completed', replayed: true, data: { number } }],
        again: { status: 'completed', replayed: true, data: { number } },
        left: [],
      });
      expect(new Set(runs).size).toBe(runs.length);
      expect(runs.at(-1)).toBe('left');
    } finally {
      await server.close();
    }
  });
});
