import { createMemoryStore } from '@semel/server';
import superjson from 'superjson';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { boundedFetch } from '../fixtures/bounded-fetch.ts';
import { post, startTrpcServer } from '../fixtures/trpc-server.ts';

let app: Awaited<ReturnType<typeof startTrpcServer>>;
beforeAll(async () => {
  app = await startTrpcServer(createMemoryStore(), {
    atomic: () => 'secret of bob',
    policy: { scope: (input) => (input as { student: string }).student },
  });
});
afterAll(() => app.close());

const status = async (user: string, input: unknown) => {
  const query = encodeURIComponent(JSON.stringify(superjson.serialize(input)));
  const response = await boundedFetch(`${app.url}/idempotency.status?input=${query}`, {
    headers: { authorization: `Bearer ${user}` },
  });
  return JSON.stringify(await response.json());
};

test('a principal whose name looks like a narrowed scope of another sees nothing of it', async () => {
  const sent = await post(
    app.url,
    'atomic',
    { student: 'x' },
    { authorization: 'Bearer bob', 'idempotency-key': 'k1' },
  );
  expect(sent.status).toBe(200);
  const operationId = sent.headers.get('idempotency-operation');
  expect(await status('bob', { operationId })).toContain('secret of bob');
  for (const name of ['3:bob/x', '7:3:bob/x']) {
    expect(await status(name, { operationId })).not.toContain('secret of bob');
    expect(await status(name, { procedure: 'atomic', key: 'k1' })).not.toContain('secret of bob');
  }
});
