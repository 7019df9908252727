import { once } from 'node:events';
import * as http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { createSemel } from '@semel/server';
import { httpIdempotency, toNodeHandler } from '@semel/server/http';
import { createMemoryStore } from '@semel/server/store';
import { expect, onTestFinished, test } from 'vitest';
import { call, stateOf } from './attack.ts';

test('a body that comes over HTTP/2 without its length is read, and tells two requests of one key apart', async () => {
  const semel = createSemel({ store: createMemoryStore(), recovery: false });
  const idempotent = httpIdempotency({ semel, scope: () => 'alice' });
  const route = idempotent(
    { name: 'echo', mode: 'atomic' },
    async (request) => new Response(await request.text()),
  );
  const server = http2.createServer(toNodeHandler(route) as never).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  onTestFinished(() => {
    client.destroy();
    server.close();
  });
  const post = async (body: string) => {
    const stream = client.request({ ':method': 'POST', ':path': '/', 'idempotency-key': '"k"' });
    stream.setEncoding('utf8').end(body);
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders & { ':status': number }];
    let text = '';
    for await (const chunk of stream) text += chunk;
    return [headers[':status'], text.includes('key_reused') ? 'key_reused' : text];
  };
  expect(await post('one')).toEqual([200, 'one']);
  expect(await post('two')).toEqual([422, 'key_reused']);
  expect(await post('one')).toEqual([200, 'one']);
});

test.each(['atomic', 'leased'] as const)(
  'a final answer whose body can not be read is final all the same in %s mode, and nothing is stuck behind it',
  async (mode) => {
    const store = createMemoryStore();
    const semel = createSemel({ store, recovery: false });
    const idempotent = httpIdempotency({ semel, scope: () => 'alice' });
    let runs = 0;
    const route = idempotent({ name: 'orders', mode, inFlight: 'conflict' }, async () => {
      runs++;
      const broken = new ReadableStream({ pull: (controller) => controller.error(new Error('disk')) });
      return new Response(broken, { status: 409 });
    });
    const post = () =>
      route(new Request('http://a/', { method: 'POST', headers: { 'idempotency-key': '"k"' } })).catch(
        (error: unknown) => error,
      );
    await post();
    const record = await store.lookup({ scope: 'alice', procedure: 'orders', key: 'k' });
    expect(record?.record.state).not.toBe('processing');
    await post();
    expect(runs).toBe(mode === 'atomic' ? 2 : 1);
  },
);

test('a run whose error can not be described is settled, not left to its lease', async () => {
  const store = createMemoryStore();
  const { engine } = createSemel({ store, recovery: false });
  const asked = call({ mode: 'leased' });
  const failures = {
    ...asked.failures,
    describe: () => {
      throw new Error('the formatter is broken');
    },
  };
  await engine
    .run({ ...asked, failures }, async (operation) => {
      throw operation.refuse(new Error('no'));
    })
    .catch(() => undefined);
  expect(await stateOf(store, asked)).toBe('failed');
  expect(await engine.run(asked, async () => 'again')).toMatchObject({
    kind: 'refused',
    problem: { code: 'outcome_gone' },
  });
});

test('a caller who hangs up over HTTP/2 changes nothing about the run, and harms no process', async () => {
  const semel = createSemel({ store: createMemoryStore(), recovery: false });
  const idempotent = httpIdempotency({ semel, scope: () => 'alice' });
  const begun = Promise.withResolvers<void>();
  const mayEnd = Promise.withResolvers<void>();
  let runs = 0;
  const route = idempotent({ name: 'slow', mode: 'leased' }, async () => {
    runs++;
    begun.resolve();
    await mayEnd.promise;
    return new Response('done');
  });
  const served = Promise.withResolvers<unknown>();
  const failures: unknown[] = [];
  const server = http2
    .createServer(
      toNodeHandler(
        async (request) => {
          const answer = await route(request);
          setImmediate(() => setImmediate(served.resolve));
          return answer;
        },
        { onError: (error) => failures.push(error) },
      ) as never,
    )
    .listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const first = http2.connect(url);
  onTestFinished(() => {
    first.destroy();
    server.close();
  });
  const stream = first.request({ ':method': 'POST', ':path': '/', 'idempotency-key': '"k"' });
  stream.on('error', () => {});
  stream.end('x');
  await begun.promise;
  stream.close(http2.constants.NGHTTP2_CANCEL);
  await once(stream, 'close');
  const ping = Promise.withResolvers<void>();
  first.ping(() => ping.resolve());
  await ping.promise;
  mayEnd.resolve();
  await served.promise;
  expect(failures).toEqual([]);
  const again = first.request({ ':method': 'POST', ':path': '/', 'idempotency-key': '"k"' });
  again.setEncoding('utf8').end('x');
  const [headers] = (await once(again, 'response')) as [http2.IncomingHttpHeaders];
  expect(headers['idempotency-replayed']).toBe('true');
  again.destroy();
  expect(runs).toBe(1);
});
