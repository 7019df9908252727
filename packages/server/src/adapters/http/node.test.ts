import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { type NodeContext, toNodeHandler } from './node.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** What one connection hears, until the server closes it or `text` has come. */
async function heard(port: number, said: string, until?: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.setEncoding('latin1');
  socket.write(said, 'latin1');
  for await (const chunk of socket) {
    text += chunk;
    if (until !== undefined && text.includes(until)) break;
  }
  return text;
}

const quiet = { onError: () => {} };

test.each([
  ['GET /a?b=c HTTP/1.1', 'Host: shop.example:81', 'http://shop.example:81/a?b=c'],
  ['GET //evil.example/a HTTP/1.1', 'Host: shop.example', 'http://shop.example//evil.example/a'],
  ['GET http://evil.example/a HTTP/1.1', 'Host: shop.example', 'http://shop.example/a'],
  ['GET http://evil.example HTTP/1.1', 'Host: shop.example', 'http://shop.example/'],
  ['OPTIONS * HTTP/1.1', 'Host: shop.example', 'http://shop.example/*'],
  ['GET /a HTTP/1.1', 'Host: [::1]:81', 'http://[::1]:81/a'],
  ['GET /a HTTP/1.1', 'Host: a b', 'http://localhost/a'],
  ['GET /a HTTP/1.1', 'Host: user@evil.example', 'http://localhost/a'],
  ['GET /a HTTP/1.1', 'Host: x:99999', 'http://localhost/a'],
])('%s with %s is a request to %s', async (line, host, url) => {
  const port = await serve(toNodeHandler((request) => new Response(request.url)));
  const answer = await heard(port, `${line}\r\n${host}\r\nConnection: close\r\n\r\n`);
  expect(answer).toContain(url);
  expect(answer.startsWith('HTTP/1.1 200')).toBe(true);
});

test('the path under a mounted router is the whole one', async () => {
  const handler = toNodeHandler((request) => new Response(request.url));
  const port = await serve((req, res) => {
    Object.assign(req, { originalUrl: req.url, url: '/rest' });
    handler(req, res);
  });
  expect(await (await fetch(`http://127.0.0.1:${port}/api/rest?x=1`)).text()).toMatch(/\/api\/rest\?x=1$/);
});

test('two lines of a header stay two values, and every cookie a line of its own', async () => {
  const port = await serve(
    toNodeHandler((request) => {
      const headers = new Headers([
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
      ]);
      return new Response(request.headers.get('idempotency-key'), { headers });
    }),
  );
  const answer = await heard(
    port,
    'POST / HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\nidempotency-key: l\r\nConnection: close\r\n\r\n',
  );
  expect(answer).toMatch(/set-cookie: a=1\r\nset-cookie: b=2\r\n/i);
  expect(answer).toContain('k, l');
});

test('a body comes in chunks as it is sent, and only when it is asked for', async () => {
  const port = await serve(
    toNodeHandler(async (request) => new Response(new Uint8Array(await request.arrayBuffer()).toReversed())),
  );
  const body = Uint8Array.from({ length: 300_000 }, (_, at) => at % 251);
  const answer = await fetch(`http://127.0.0.1:${port}`, { method: 'POST', body });
  expect(new Uint8Array(await answer.arrayBuffer())).toEqual(body.toReversed());
});

test('bytes that something in front has kept are the body', async () => {
  const handler = toNodeHandler(async (request) => new Response(await request.text()));
  const members: Record<string, unknown>[] = [
    { rawBody: Buffer.from('kept') },
    { body: Buffer.from('kept') },
    { rawBody: Buffer.from('kept'), body: { parsed: true } },
  ];
  for (const member of members) {
    const port = await serve((req, res) => {
      req.resume().on('end', () => handler(Object.assign(req, member), res));
    });
    expect(await (await fetch(`http://127.0.0.1:${port}`, { method: 'POST', body: 'sent' })).text()).toBe(
      'kept',
    );
  }
});

test('TRACE has no Fetch form and gets 400', async () => {
  const port = await serve(toNodeHandler(() => new Response()));
  expect(await heard(port, 'TRACE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')).toMatch(
    /^HTTP\/1.1 400/,
  );
});

test('an answer before the body was read ends the connection instead of taking the body for a request', async () => {
  const port = await serve(toNodeHandler(() => new Response('no', { status: 413 })));
  const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n';
  const answer = await heard(port, `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n${smuggled}`);
  expect(answer.match(/HTTP\/1.1 /g)).toHaveLength(1);
  expect(answer).toMatch(/^HTTP\/1.1 413/);
  expect(answer).toMatch(/connection: close/i);
});

test('a connection lives on behind an answer to a body that was read', async () => {
  const port = await serve(toNodeHandler(async (request) => new Response(`${await request.text()}!`)));
  const one = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\none';
  const two = 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n';
  expect((await heard(port, one + two, 'two!')).match(/HTTP\/1.1 200/g)).toHaveLength(2);
});

test('HEAD is answered without its body, and the body is let go', async () => {
  const cancel = vi.fn();
  const port = await serve(
    toNodeHandler(() => new Response(new ReadableStream({ cancel }), { headers: { 'Content-Length': '5' } })),
  );
  const answer = await fetch(`http://127.0.0.1:${port}`, { method: 'HEAD' });
  expect([answer.headers.get('content-length'), await answer.text()]).toEqual(['5', '']);
  expect(cancel).toHaveBeenCalledOnce();
});

test('a long answer is made no faster than it is taken, and no further when its caller is gone', async () => {
  let made = 0;
  let cancelled = (): void => {};
  const gone = new Promise<void>((resolve) => {
    cancelled = resolve;
  });
  const port = await serve(
    toNodeHandler(() => {
      const pull = (controller: ReadableStreamDefaultController) => {
        made++;
        controller.enqueue(new Uint8Array(65_536));
      };
      return new Response(new ReadableStream({ pull, cancel: cancelled }));
    }),
  );
  const socket = connect(port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(socket, 'data');
  socket.pause();
  // It stops by itself: what the sockets between hold is all that was made.
  let before = -1;
  await vi.waitFor(
    () => {
      const still = made === before;
      before = made;
      if (!still) throw new Error('still going');
    },
    { interval: 100, timeout: 10_000 },
  );
  expect(made).toBeLessThan(1000);
  socket.destroy();
  await gone;
});

test('what a route throws is for next, or for onError and a 500', async () => {
  const error = new Error('out of paper');
  const onError = vi.fn();
  const broken = () => {
    throw error;
  };
  const port = await serve(toNodeHandler(broken, { onError }));
  const answer = await fetch(`http://127.0.0.1:${port}`);
  expect([answer.status, await answer.json()]).toEqual([
    500,
    expect.objectContaining({ title: 'Internal Server Error' }),
  ]);
  expect(onError).toHaveBeenCalledExactlyOnceWith(error);

  const next = vi.fn();
  const handler = toNodeHandler(broken);
  const behind = await serve((req, res) =>
    handler(req, res, (thrown) => {
      next(thrown);
      res.end('next');
    }),
  );
  expect(await (await fetch(`http://127.0.0.1:${behind}`)).text()).toBe('next');
  expect(next).toHaveBeenCalledExactlyOnceWith(error);
});

test('an answer that breaks in the middle is cut off, not ended as if it were whole', async () => {
  let pulls = 0;
  const pull = (controller: ReadableStreamDefaultController) => {
    if (++pulls > 1) controller.error(new Error('disk'));
    else controller.enqueue(new TextEncoder().encode('half'));
  };
  const port = await serve(toNodeHandler(() => new Response(new ReadableStream({ pull })), quiet));
  // Whether its first half came before the end or not.
  await expect(fetch(`http://127.0.0.1:${port}`).then((answer) => answer.text())).rejects.toThrow();
});

test('the signal never aborts, and a caller that is gone is not written to', async () => {
  const signals: AbortSignal[] = [];
  let go = (): void => {};
  const going = new Promise<void>((resolve) => {
    go = resolve;
  });
  const cancel = vi.fn();
  const handler = toNodeHandler(async (request: Request, { res }: NodeContext) => {
    signals.push(request.signal);
    await once(res, 'close');
    await going;
    return new Response(new ReadableStream({ cancel }));
  });
  const port = await serve(handler);
  const socket = connect(port, '127.0.0.1');
  socket.write('POST / HTTP/1.1\r\nHost: x\r\n\r\n');
  await vi.waitFor(() => expect(signals).toHaveLength(1));
  socket.destroy();
  go();
  await vi.waitFor(() => expect(cancel).toHaveBeenCalledOnce());
  expect(signals[0]?.aborted).toBe(false);
});

test.each(['{"a":', '{"a":"all of it"}'])(
  'a body that is asked for when its caller is gone ends with an error: %s',
  async (sent) => {
    const outcomes: string[] = [];
    const handler = toNodeHandler(async (request: Request, { req, res }: NodeContext) => {
      if (!req.destroyed) await once(res, 'close');
      await new Promise(setImmediate);
      outcomes.push(
        await request.text().then(
          () => 'read',
          (error: Error) => error.message,
        ),
      );
      return new Response();
    });
    const port = await serve(handler);
    const socket = connect(port, '127.0.0.1');
    socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\n\r\n${sent}`, () => socket.destroy());
    await vi.waitFor(() => expect(outcomes).toEqual(['The request ended before its body was complete']));
  },
);
