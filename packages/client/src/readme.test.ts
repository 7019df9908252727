// The example of the README, word for word, against a real server.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { initTRPC } from '@trpc/server';
import { createHTTPServer } from '@trpc/server/adapters/standalone';
import { expect, it, vi } from 'vitest';
import { z } from 'zod';

it('runs as it stands there, in 15 lines', async () => {
  const t = initTRPC.create();
  const keys: (string | undefined)[] = [];
  const server = createHTTPServer({
    router: t.router({
      orders: {
        create: t.procedure
          .input(z.object({ sku: z.string(), quantity: z.number() }))
          .mutation(({ input }) => ({ id: `order-${input.sku}` })),
      },
    }),
    createContext: ({ req }) => {
      keys.push(req.headers['idempotency-key']?.toString());
      return {};
    },
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };

  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  const example = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  expect(example.split('\n').filter((line) => line.trim() && !/^(import|if)/.test(line)).length).toBeLessThan(
    15,
  );

  const folder = await mkdtemp(join(fileURLToPath(new URL('.', import.meta.url)), '.readme-'));
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  try {
    const file = join(folder, 'example.ts');
    const preamble = `type AppRouter = any;\nconst url = 'http://127.0.0.1:${port}';\n`;
    await writeFile(file, preamble + example.replace("'@semel/client'", "'../index.ts'"));
    await import(/* @vite-ignore */ file);
    expect(log.mock.calls).toEqual([['ordered', 'order-tea']]);
    expect(keys).toEqual([expect.stringMatching(/^"[\w-]{24}"$/)]);
  } finally {
    log.mockRestore();
    await rm(folder, { recursive: true });
    server.close();
  }
});
