import { connect as connectSocket } from 'node:net';
import { createMemoryStore, type Operation } from '@semel/server';
import type { MemoryTransaction } from '@semel/server/store';
import superjson from 'superjson';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { boundedFetch } from '../fixtures/bounded-fetch.ts';
import { connect } from '../fixtures/carriers.ts';
import { startTrpcServer } from '../fixtures/trpc-server.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A handler that says when it runs, waits to be told, and leaves an effect. */
async function start(mode: 'atomic' | 'leased') {
  const store = createMemoryStore();
  const running = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  let runs = 0;
  let aborted: boolean | undefined;
  const handler = async (operation: Operation<MemoryTransaction>) => {
    runs++;
    running.resolve();
    await go.promise;
    aborted = operation.signal.aborted;
    if (mode === 'atomic') {
      operation.tx.set('paid', runs);
      return { runs };
    }
    return operation.settle(async (tx) => {
      tx.set('paid', runs);
      return { runs };
    });
  };
  const server = await startTrpcServer(store, { [mode]: handler });
  cleanups.push(server.close);
  return {
    server,
    store,
    running: running.promise,
    go: go.resolve,
    runs: () => runs,
    aborted: () => aborted,
  };
}

const body = JSON.stringify({ json: { n: 1 } });

/** Sends one request by hand and gives the socket, to be torn apart. */
function sendRaw(port: number, path: string, headers: readonly string[], content: string) {
  const socket = connectSocket(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(
    [
      `POST ${path} HTTP/1.1`,
      'Host: x',
      'Authorization: Bearer alice',
      'Content-Type: application/json',
      `Content-Length: ${content.length}`,
      ...headers,
      '',
      content,
    ].join('\r\n'),
  );
  return socket;
}

type Started = Awaited<ReturnType<typeof start>>;
const HANG_UPS: Record<string, (started: Started, mode: string) => Promise<void>> = {
  'closes its socket': async ({ server, running }, mode) => {
    const socket = sendRaw(server.port, `/${mode}`, ['Idempotency-Key: "k"'], body);
    await running;
    await new Promise((resolve) => socket.once('close', resolve).destroy());
  },
  'resets its connection': async ({ server, running }, mode) => {
    const socket = sendRaw(server.port, `/${mode}`, ['Idempotency-Key: "k"'], body);
    await running;
    await new Promise((resolve) => socket.once('close', resolve).resetAndDestroy());
  },
  'aborts its fetch': async ({ server, running }, mode) => {
    const abort = new AbortController();
    const answer = boundedFetch(`${server.url}/${mode}`, {
      method: 'POST',
      headers: { authorization: 'Bearer alice', 'content-type': 'application/json', 'idempotency-key': 'k' },
      body,
      signal: abort.signal,
    });
    await running;
    abort.abort();
    await expect(answer).rejects.toThrow('This operation was aborted');
  },
  'leaves in the middle of a stream': async ({ server, running }, mode) => {
    const socket = sendRaw(
      server.port,
      `/${mode}?batch=1`,
      ['Idempotency-Keys: "k"', 'Trpc-Accept: application/jsonl'],
      `{"0":${body}}`,
    );
    await running;
    await new Promise((resolve) => socket.once('close', resolve).destroy());
  },
  'loses its WebSocket': async ({ server, running }, mode) => {
    const socket = new WebSocket(server.wsUrl);
    await new Promise((resolve) => socket.once('open', resolve));
    const input = superjson.serialize({ $idempotency: { key: 'k' }, input: { n: 1 } });
    socket.send(JSON.stringify({ id: 1, method: 'mutation', params: { path: mode, input } }));
    await running;
    await new Promise((resolve) => {
      socket.once('close', resolve);
      socket.terminate();
    });
  },
};

describe.each(['atomic', 'leased'] as const)('a client of a %s mutation', (mode) => {
  test.each(Object.keys(HANG_UPS))(
    'that %s in the middle changes nothing: the handler finishes and a retry replays',
    async (name) => {
      const started = await start(mode);
      const { server, store, go, runs, aborted } = started;
      await HANG_UPS[name]?.(started, mode);
      expect(server.semel.engine.active).toBe(1);
      go();
      await expect.poll(() => server.semel.engine.active, { timeout: 20_000 }).toBe(0);
      expect(store.committed.get('paid')).toBe(1);

      const retry = await connect('single', server).call({ path: mode, input: { n: 1 }, key: 'k' });
      expect(retry.data).toEqual({ runs: 1 });
      expect(retry.headers?.get('idempotency-replayed')).toBe('true');
      expect(runs()).toBe(1);
      expect(aborted()).toBe(false);
    },
  );

  test('that comes back while the first attempt runs joins it', async () => {
    const started = await start(mode);
    await HANG_UPS['closes its socket']?.(started, mode);
    const retry = connect('single', started.server).call({ path: mode, input: { n: 1 }, key: 'k' });
    started.go();
    expect((await retry).data).toEqual({ runs: 1 });
    expect(started.runs()).toBe(1);
  });
});

test('a body that is cut off before its end runs nothing and leaves no record', async () => {
  const { server, store, runs } = await start('atomic');
  const socket = connectSocket(server.port, '127.0.0.1');
  socket.on('error', () => {});
  await new Promise<void>((resolve) =>
    socket.write(
      'POST /atomic HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer alice\r\nContent-Type: application/json\r\nContent-Length: 1000\r\nIdempotency-Key: k\r\n\r\n{"json":',
      () => resolve(),
    ),
  );
  await new Promise((resolve) => socket.once('close', resolve).destroy());
  // The server is asked something else on another connection: by its answer the cut-off one has been seen.
  expect((await connect('single', server).call({ path: 'plain', input: 1 })).data).toBe(1);
  await expect.poll(() => server.semel.engine.active, { timeout: 20_000 }).toBe(0);
  expect(runs()).toBe(0);
  expect((await store.sweepExpired({ limit: 10 })).examined).toBe(0);
});
