import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as later } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { createApplication, type Routes } from './application.ts';

declare module 'vitest' {
  interface ProvidedContext {
    databaseUrl: string;
  }
}

export interface Served {
  readonly url: string;
  close(): Promise<unknown>;
}

/** What every framework has to do with the same routes, over real sockets and a real Postgres. */
export function describeFramework(name: string, serve: (routes: Routes) => Promise<Served>): void {
  describe(name, () => {
    let app: Awaited<ReturnType<typeof createApplication>>;
    let served: Served;
    beforeAll(async () => {
      app = await createApplication(inject('databaseUrl'));
      served = await serve(app.routes);
    });
    afterAll(async () => {
      await served?.close();
      await app?.close();
    });

    const send = async (
      path: string,
      { headers = {}, ...init }: Omit<RequestInit, 'headers'> & { headers?: Record<string, string> } = {},
    ) => {
      const response = await fetch(served.url + path, {
        method: 'POST',
        ...init,
        headers: { authorization: 'Bearer alice', ...headers },
      });
      const bytes = Buffer.from(await response.arrayBuffer());
      return { status: response.status, headers: response.headers, bytes, text: bytes.toString() };
    };
    const order = (key: string, sku: string, headers: Record<string, string> = {}, path = '/orders') =>
      send(path, {
        headers: { 'idempotency-key': key, 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ sku }),
      });

    test('runs once, and replays the same bytes, status and describing headers, without cookies', async () => {
      const first = await order('"first"', 'book');
      const again = await order('first', 'book');
      expect(first.status).toBe(201);
      expect(again.status).toBe(201);
      expect(again.bytes).toEqual(first.bytes);
      expect(JSON.parse(first.text)).toEqual({ id: expect.any(Number), sku: 'book' });
      expect(await app.count('book')).toBe(1);
      expect(first.headers.getSetCookie()).toEqual(['sid=1; HttpOnly']);
      expect(first.headers.get('x-request-id')).toBe('first');
      expect(first.headers.get('idempotency-replayed')).toBe(null);
      expect(again.headers.getSetCookie()).toEqual([]);
      expect(again.headers.get('x-request-id')).toBe(null);
      expect(again.headers.get('idempotency-replayed')).toBe('true');
      for (const name of [
        'content-type',
        'location',
        'x-price-list',
        'idempotency-operation',
        'cache-control',
      ]) {
        expect([name, again.headers.get(name)]).toEqual([name, first.headers.get(name)]);
        expect([name, again.headers.get(name)]).not.toEqual([name, null]);
      }
      expect(again.headers.get('cache-control')).toBe('private, no-store');
    });

    test('runs once for eight that come at once, and answers all of them alike', async () => {
      const answers = await Promise.all(Array.from({ length: 8 }, () => order('at-once', 'lamp')));
      expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
      expect(answers[0]?.status).toBe(201);
      expect(answers.filter(({ headers }) => headers.get('idempotency-replayed') === 'true')).toHaveLength(7);
      expect(await app.count('lamp')).toBe(1);
    });

    test('refuses a missing, a malformed, an unscoped and a doubled key, and stores nothing', async () => {
      const before = await app.recorded();
      const missing = await send('/orders', {
        headers: { 'content-type': 'application/json' },
        body: '{"sku":"x"}',
      });
      expect(missing.status).toBe(400);
      expect(missing.headers.get('content-type')).toBe('application/problem+json');
      expect(JSON.parse(missing.text)).toMatchObject({
        type: 'urn:semel:problem:key_missing',
        title: 'Idempotency-Key is missing',
        status: 400,
        contract: 1,
        code: 'key_missing',
        retryable: false,
      });
      for (const key of ['"open', 'a,b', '"a", "b"', '?1', ':YQ==:', '"\\x"']) {
        const { status, text } = await order(key, 'x');
        expect([key, status, JSON.parse(text).code]).toEqual([key, 400, 'key_malformed']);
      }
      const old = await order('k', 'x', { 'idempotency-contract': '9' });
      expect(JSON.parse(old.text).code).toBe('contract_unsupported');
      expect((await order('k', 'x', { authorization: 'none' })).status).toBe(401);
      expect((await send('/orders', { headers: { 'idempotency-key': 'k' }, body: '{"sku":' })).status).toBe(
        400,
      );
      expect(await app.recorded()).toBe(before);
    });

    test('tells another request under the same key from a retry: body, query; not member order or another user', async () => {
      const body = (text: string, path = '/orders', user = 'alice') =>
        send(path, {
          headers: {
            'idempotency-key': 'same',
            'content-type': 'application/json',
            authorization: `Bearer ${user}`,
          },
          body: text,
        });
      const first = await body('{"sku":"chair","note":1}');
      expect(first.status).toBe(201);
      expect((await body('{ "note": 1, "sku": "chair" }')).text).toBe(first.text);
      for (const other of [
        await body('{"sku":"chair","note":2}'),
        await body('{"sku":"chair","note":1,"__proto__":{}}'),
        await body('{"sku":"chair","note":1}', '/orders?to=mallory'),
      ]) {
        expect([other.status, JSON.parse(other.text).code]).toEqual([422, 'key_reused']);
      }
      expect(await app.count('chair')).toBe(1);
      expect((await body('{"sku":"chair","note":1}', '/orders', 'bob')).text).not.toBe(first.text);
      expect(await app.count('chair')).toBe(2);
    });

    test('binary bodies arrive and are replayed byte by byte, and an empty one is a body too', async () => {
      const bytes = Uint8Array.from({ length: 70_000 }, (_, at) => (at * 7919) % 256);
      const upload = (key: string, body: Uint8Array<ArrayBuffer>) =>
        send('/files', {
          headers: { 'idempotency-key': key, 'content-type': 'application/octet-stream' },
          body,
        });
      const first = await upload('bytes', bytes);
      expect(first.bytes.equals(bytes.toReversed())).toBe(true);
      const again = await upload('bytes', bytes);
      expect(again.bytes.equals(first.bytes)).toBe(true);
      expect(again.headers.get('idempotency-replayed')).toBe('true');
      expect((await upload('bytes', bytes.with(0, 1))).status).toBe(422);
      expect((await upload('empty', new Uint8Array(0))).bytes.length).toBe(0);
      const emptyAgain = await upload('empty', new Uint8Array(0));
      expect([emptyAgain.status, emptyAgain.headers.get('idempotency-replayed')]).toEqual([200, 'true']);
    });

    test('a form is the same one under another boundary, and another one with another file', async () => {
      const form = (boundary: string, content: string) =>
        send('/forms', {
          headers: {
            'idempotency-key': 'form',
            'content-type': `multipart/form-data; boundary=${boundary}`,
          },
          body: `--${boundary}\r\nContent-Disposition: form-data; name="sku"\r\n\r\nformed\r\n--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\ncontent-type: text/plain\r\n\r\n${content}\r\n--${boundary}--\r\n`,
        });
      const first = await form('aaaa', 'hello');
      expect(first.text).toBe('{"fields":["sku","file"]}');
      const again = await form('bbbb', 'hello');
      expect([again.text, again.headers.get('idempotency-replayed')]).toEqual([first.text, 'true']);
      expect((await form('aaaa', 'hallo')).status).toBe(422);
      expect(await app.count('formed')).toBe(1);
    });

    test('204 stays 204, settled together with its effect in leased mode', async () => {
      const ship = () => send('/ship', { headers: { 'idempotency-key': 'ship' } });
      for (const replayed of [null, 'true']) {
        const { status, bytes, headers } = await ship();
        expect([status, bytes.length, headers.get('etag'), headers.get('idempotency-replayed')]).toEqual([
          204,
          0,
          '"shipped"',
          replayed,
        ]);
      }
    });

    test('a final no is stored without its writes, a transient one is passed on and runs again', async () => {
      const first = await order('no', 'sold-out');
      expect([first.status, first.text]).toEqual([409, '{"message":"Sold out"}']);
      const again = await order('no', 'sold-out');
      expect([again.status, again.text]).toEqual([409, '{"message":"Sold out"}']);
      expect(again.headers.get('idempotency-replayed')).toBe('true');
      // Refused with `operation.refuse`, the writes stay.
      for (const mark of [null, 'true']) {
        const flagged = await order('flagged', 'flagged');
        expect([flagged.status, flagged.headers.get('idempotency-replayed')]).toEqual([409, mark]);
        expect(await app.count('flagged')).toBe(1);
      }
      const before = await app.recorded();
      for (let attempt = 0; attempt < 2; attempt++) {
        const later = await order('later', 'overloaded');
        expect([later.status, later.text, later.headers.get('idempotency-replayed')]).toEqual([
          503,
          '{"message":"Later"}',
          null,
        ]);
      }
      expect((await order('broken', 'broken')).status).toBe(500);
      expect(await app.recorded()).toBe(before);
      expect([await app.count('sold-out'), await app.count('overloaded'), await app.count('broken')]).toEqual(
        [0, 0, 0],
      );
    });

    test('a caller that hangs up changes nothing: the work is done, and the retry gets its answer', async () => {
      const gate = app.gate('abandoned');
      const { hostname, port } = new URL(served.url);
      const socket = connect(Number(port), hostname);
      await once(socket, 'connect');
      const body = '{"sku":"abandoned"}';
      socket.write(
        `POST /orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer alice\r\nContent-Type: application/json\r\nIdempotency-Key: gone\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
      await gate.reached;
      socket.destroy();
      await once(socket, 'close');
      gate.open();
      for (;;) {
        const retry = await order('gone', 'abandoned');
        if (retry.status === 409) await later(20);
        else {
          expect([retry.status, retry.headers.get('idempotency-replayed')]).toEqual([201, 'true']);
          break;
        }
      }
      expect(await app.count('abandoned')).toBe(1);
    });

    test('status is told to the one who asked, by id and by key', async () => {
      const { headers } = await order('asked', 'clock');
      const operationId = headers.get('idempotency-operation');
      const get = (path: string, more: Record<string, string> = {}) =>
        send(path, { method: 'GET', headers: more });
      const byId = await get(`/idempotency/operations/${operationId}`);
      expect([byId.status, byId.headers.get('cache-control')]).toEqual([200, 'private, no-store']);
      expect(JSON.parse(byId.text)).toMatchObject({
        operationId,
        procedure: 'orders.create',
        state: 'completed',
        attempt: 1,
        transitions: [{ from: null, to: 'completed', cause: 'succeeded' }],
      });
      const byKey = await get('/idempotency/operations?procedure=orders.create', {
        'idempotency-key': '"asked"',
      });
      expect(byKey.text).toBe(byId.text);
      const head = await send(`/idempotency/operations/${operationId}`, { method: 'HEAD' });
      expect([head.status, head.headers.get('idempotency-operation'), head.text]).toEqual([
        200,
        operationId,
        '',
      ]);
      const bobs = await get(`/idempotency/operations/${operationId}`, { authorization: 'Bearer bob' });
      expect([bobs.status, JSON.parse(bobs.text)]).toEqual([200, { state: 'not_found', operationId }]);
    });
  });
}
