import assert from 'node:assert/strict';

/**
 * One operation from the client's call to the stored answer and back, over real HTTP, with the packages as they were
 * imported or required by the caller.
 */
export async function once({ client, server, store, adapter, trpc, standalone, trpcClient, superjson }) {
  const records = server.createMemoryStore();
  let away = false;
  // A store of somebody else's: it knows StoreUnavailable from the entry for authors of stores.
  const flaky = new Proxy(records, {
    get: (target, name) =>
      away && typeof target[name] === 'function' && name !== 'close'
        ? () => Promise.reject(new store.StoreUnavailable())
        : Reflect.get(target, name),
  });
  const semel = server.createSemel({ store: flaky, recovery: false });
  const t = trpc.initTRPC.context().meta().create({ transformer: superjson });
  const idempotent = adapter.trpcIdempotency({ semel, scope: (ctx) => ctx.user });
  const runs = { atomic: 0, leased: 0 };
  const router = t.router({
    atomic: idempotent(t.procedure)
      .meta({ idempotency: { mode: 'atomic' } })
      .mutation(() => {
        runs.atomic++;
        return { at: new Date(0) };
      }),
    leased: idempotent(t.procedure)
      .meta({ idempotency: { mode: 'leased', effects: 'steps' } })
      .mutation(async ({ ctx }) => {
        runs.leased++;
        const charged = await ctx.operation.step('charge', async (childKey) => ({ childKey }));
        return ctx.operation.settle(async () => ({ childKeyLength: charged.childKey.length }));
      }),
  });
  const http = standalone.createHTTPServer({
    router,
    createContext: ({ req, info }) => ({
      idempotency: adapter.idempotencyContext({ req, info }),
      user: 'ann',
    }),
    responseMeta: idempotent.responseMeta,
    basePath: '/',
  });
  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${http.address().port}`;

  const one = client.createSemelClient({ retry: { maxAttempts: 1 } });
  const api = trpcClient.createTRPCClient({
    links: [
      one.link(),
      trpcClient.httpBatchLink({ url, headers: one.headers(), fetch: one.fetch(), transformer: superjson }),
    ],
  });
  const keyed = { context: { idempotencyKey: 'order-1' } };
  assert.deepEqual(await api.atomic.mutate(undefined, keyed), { at: new Date(0) });
  const again = await client.outcomeOf(() => api.atomic.mutate(undefined, keyed));
  assert.deepEqual(again, { status: 'completed', data: { at: new Date(0) }, replayed: true, key: 'order-1' });
  assert.deepEqual(await api.leased.mutate(undefined, keyed), { childKeyLength: 43 });
  assert.deepEqual(await api.leased.mutate(undefined, keyed), { childKeyLength: 43 });
  assert.deepEqual(runs, { atomic: 1, leased: 1 });

  const refused = await post(url, 'atomic', 'order-1', { other: 'input' });
  assert.equal(refused.status, 422);
  assert.equal(refused.problem.code, 'key_reused');

  away = true;
  const unavailable = await post(url, 'atomic', 'order-2', {});
  assert.equal(unavailable.problem?.code, 'store_unavailable');
  assert.equal(unavailable.status, 503);
  assert.deepEqual(runs, { atomic: 1, leased: 1 });

  http.closeAllConnections();
  await new Promise((resolve) => http.close(resolve));
  await semel.close();
  await records.close();
}

async function post(url, path, key, input) {
  const response = await fetch(`${url}/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key },
    body: JSON.stringify({ json: input }),
  });
  const { error } = await response.json();
  return { status: response.status, problem: error?.json.data.idempotency };
}
