import { expect, test } from 'vitest';
import { createSemel } from '../../semel.ts';
import { createMemoryStore, type MemoryTransaction } from '../../store/memory.ts';
import { type Store, StoreUnavailable } from '../../store/port.ts';
import type { SemelEvent } from '../../telemetry/events.ts';
import { type HttpIdempotency, httpIdempotency } from './http-idempotency.ts';

type Route = (request: Request) => Promise<Response>;

function setUp(store: Store<MemoryTransaction> = createMemoryStore()) {
  const events: SemelEvent[] = [];
  const semel = createSemel({ store, recovery: false, onEvent: (event) => events.push(event) });
  const idempotent: HttpIdempotency<MemoryTransaction, []> = httpIdempotency({
    semel,
    scope: (request) => request.headers.get('authorization') ?? undefined,
  });
  return {
    idempotent,
    semel,
    store,
    events,
    recorded: async () => (await store.sweepExpired({ limit: 1000 })).examined,
  };
}

const post = (key: string | undefined, body: BodyInit | null = '{}', headers: Record<string, string> = {}) =>
  new Request('http://shop.example/orders', {
    method: 'POST',
    headers: {
      authorization: 'alice',
      'content-type': 'application/json',
      ...(key !== undefined && { 'idempotency-key': key }),
      ...headers,
    },
    body,
    duplex: 'half',
  } as RequestInit);

const shown = async (response: Response) => ({
  status: response.status,
  text: await response.text(),
  replayed: response.headers.get('idempotency-replayed'),
});
const codeOf = async (response: Response): Promise<unknown> =>
  ((await response.json()) as { code?: unknown }).code;

test.each([
  ['an empty body', () => new Response('')],
  ['0', () => Response.json(0)],
  ['false', () => Response.json(false)],
  ['an empty text', () => Response.json('')],
  ['null', () => Response.json(null)],
  ['204', () => new Response(null, { status: 204 })],
  ['205', () => new Response(null, { status: 205 })],
  ['304', () => new Response(null, { status: 304, headers: { ETag: '"1"' } })],
  ['303', () => Response.redirect('http://shop.example/orders/1', 303)],
  ['299', () => new Response('x', { status: 299 })],
  ['402', () => new Response('pay', { status: 402 })],
])('%s is replayed without a run', async (_what, answer) => {
  for (const mode of ['atomic', 'leased'] as const) {
    const { idempotent } = setUp();
    let runs = 0;
    const route: Route = idempotent({ name: 'x', mode }, () => {
      runs++;
      return answer();
    });
    const first = await route(post('k'));
    const again = await route(post('k'));
    expect(again.status).toBe(first.status);
    expect(again.headers.get('location')).toBe(first.headers.get('location'));
    expect(again.headers.get('etag')).toBe(first.headers.get('etag'));
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(again.body === null).toBe(first.body === null);
    expect(await again.text()).toBe(await first.text());
    expect(runs).toBe(1);
  }
});

test('every byte comes back as it was, whatever is no UTF-8', async () => {
  const bytes = Uint8Array.from({ length: 512 }, (_, at) => at % 256);
  for (const body of [
    bytes,
    new TextEncoder().encode('\ufeffh\u00e9\u0000'),
    Uint8Array.of(0xed, 0xa0, 0x80),
  ]) {
    const { idempotent } = setUp();
    const route: Route = idempotent({ name: 'x', mode: 'atomic' }, () => new Response(body));
    await route(post('k'));
    const again = await route(post('k'));
    expect(new Uint8Array(await again.arrayBuffer())).toEqual(new Uint8Array(body));
    expect(again.headers.get('content-length')).toBe(String(body.length));
  }
});

test('a replay has only the headers that describe the answer, and those that the policy names', async () => {
  const { idempotent, store } = setUp();
  const secrets = {
    'Set-Cookie': 'sid=secret',
    Authorization: 'secret',
    Date: 'Sun, 06 Nov 1994 08:49:37 GMT',
    Traceparent: 'secret',
    'X-Csrf-Token': 'secret',
    'Access-Control-Allow-Origin': 'https://first.example',
    'Cache-Control': 'public, max-age=60',
    Connection: 'close',
  };
  const route: Route = idempotent(
    { name: 'x', mode: 'atomic', replayHeaders: ['X-Total'] },
    () =>
      new Response('x', { headers: { ...secrets, 'X-Total': '5', ETag: '"e"', 'Content-Type': 'text/x' } }),
  );
  const first = await route(post('k'));
  expect(first.headers.getSetCookie()).toEqual(['sid=secret']);
  expect(first.headers.get('cache-control')).toBe('private, no-store');
  const again = await route(post('k'));
  expect(Object.fromEntries(again.headers)).toEqual({
    'cache-control': 'private, no-store',
    'content-length': '1',
    'content-type': 'text/x',
    etag: '"e"',
    'idempotency-operation': first.headers.get('idempotency-operation'),
    'idempotency-replayed': 'true',
    'x-total': '5',
  });
  const found = await store.find(first.headers.get('idempotency-operation') ?? '');
  expect(found?.record.outcome).toBeDefined();
  expect(found?.record.outcome).not.toContain('secret');
});

test.each([
  'Set-Cookie',
  'authorization',
  'Date',
  'Transfer-Encoding',
  'traceparent',
  'Idempotency-Replayed',
  'a b',
])('a policy that would replay %s is refused', (name) => {
  const { idempotent } = setUp();
  const define = () => idempotent({ name: 'x', mode: 'atomic', replayHeaders: [name] }, () => new Response());
  expect(define).toThrow(`replayHeaders can't name ${name.toLowerCase()}`);
});

test.each([
  [{ mode: 'atomic' }, 'an idempotent route needs a stable name'],
  [{ name: 'x', mode: 'queued' }, "x can't have mode 'queued' or a resolver: a worker has no request"],
  [{ name: 'x', mode: 'leased', resolve: () => 'run_again' }, "x can't have mode 'queued' or a resolver"],
  [{ name: 'x', mode: 'atomic', maxBodyBytes: -1 }, 'maxBodyBytes must be between 0 and 67108864, not -1'],
  [{ name: 'x', mode: 'atomic', ttl: 5 }, 'there is no field ttl'],
  [{ name: 'a b', mode: 'atomic' }, 'name must be 1 to 200 visible ASCII characters'],
])('the policy %j is refused when the route is defined', (policy, message) => {
  const { idempotent } = setUp();
  expect(() => idempotent(policy as never, () => new Response())).toThrow(message);
});

test('without a scope there is no adapter', () => {
  const { semel } = setUp();
  expect(() => httpIdempotency({ semel } as never)).toThrow('idempotency needs a scope');
});

test.each([400, 402, 403, 404, 409, 410, 422])(
  'an answered %i is stored, its writes are not',
  async (status) => {
    for (const how of ['return', 'throw', 'throw an error', 'refuse'] as const) {
      const { idempotent, recorded, events } = setUp();
      const route: Route = idempotent({ name: 'x', mode: 'atomic' }, (_request, { operation }) => {
        const response = new Response('no', { status });
        if (how === 'throw') throw response;
        if (how === 'refuse') throw operation.refuse(response);
        if (how === 'throw an error') throw Object.assign(new Error('no'), { status });
        return response;
      });
      const first = await shown(await route(post('k')));
      expect(first).toMatchObject({ status, replayed: null });
      if (how !== 'throw an error') expect(first.text).toBe('no');
      expect(await shown(await route(post('k')))).toEqual({ ...first, replayed: 'true' });
      expect(await recorded()).toBe(1);
      expect(events).toContainEqual(expect.objectContaining({ type: 'executed', outcome: 'failed' }));
    }
  },
);

test.each([401, 405, 408, 418, 425, 429, 499, 500, 503, 599])(
  'an answered %i is passed on, nothing is stored and the next attempt runs',
  async (status) => {
    for (const mode of ['atomic', 'leased'] as const) {
      const { idempotent, store } = setUp();
      let runs = 0;
      const route: Route = idempotent({ name: 'x', mode }, () => {
        runs++;
        if (runs === 3) return new Response('at last');
        const response = new Response('later', { status, headers: { 'Set-Cookie': 'a=b' } });
        if (runs === 2) throw response;
        return response;
      });
      for (let attempt = 0; attempt < 2; attempt++) {
        const answer = await route(post('k'));
        expect(answer.headers.getSetCookie()).toEqual(['a=b']);
        expect(answer.headers.get('cache-control')).toBe('private, no-store');
        expect(await shown(answer)).toEqual({ status, text: 'later', replayed: null });
        const found = await store.lookup({ scope: 'alice', procedure: 'x', key: 'k' });
        expect(found?.record.state).toBe(mode === 'atomic' ? undefined : 'released');
      }
      expect(await shown(await route(post('k')))).toEqual({ status: 200, text: 'at last', replayed: null });
    }
  },
);

test("an error without a final status is the framework's, unchanged", async () => {
  const { idempotent, recorded } = setUp();
  const error = new Error('out of paper');
  const route: Route = idempotent({ name: 'x', mode: 'atomic' }, () => {
    throw error;
  });
  await expect(route(post('k'))).rejects.toBe(error);
  expect(await recorded()).toBe(0);
});

test('a policy may say what else is final: of answers and of errors', async () => {
  const { idempotent } = setUp();
  let runs = 0;
  const finalErrors = (error: unknown) =>
    error instanceof Response ? error.status === 451 : (error as Error).message === 'for good';
  const route: Route = idempotent({ name: 'x', mode: 'atomic', finalErrors }, (request) => {
    runs++;
    if (request.headers.has('x-throw')) throw new Error('for good');
    return new Response('lawyers', { status: 451 });
  });
  await route(post('a'));
  expect(await shown(await route(post('a')))).toEqual({ status: 451, text: 'lawyers', replayed: 'true' });
  await route(post('b', '{}', { 'x-throw': '1' }));
  const again = await route(post('b', '{}', { 'x-throw': '1' }));
  expect(again.status).toBe(422);
  expect(await again.json()).toMatchObject({ title: 'The operation was refused', detail: 'for good' });
  expect(runs).toBe(2);
});

test("an error is rendered by the application, or by itself, and a renderer that fails doesn't lose it", async () => {
  const { idempotent } = setUp();
  const notFound = Object.assign(new Error('nowhere'), { status: 404 });
  const broken = () => {
    throw new Error('renderer');
  };
  const answers = [
    [() => Response.json({ own: true }, { status: 404 }), notFound, 404, '{"own":true}'],
    [() => undefined, notFound, 404, expect.stringContaining('nowhere')],
    [broken, notFound, 404, expect.stringContaining('nowhere')],
    [
      undefined,
      Object.assign(new Error(), { status: 409, getResponse: () => new Response('mine', { status: 409 }) }),
      409,
      'mine',
    ],
  ] as const;
  for (const [index, [renderError, error, status, text]] of answers.entries()) {
    const route: Route = idempotent(
      { name: `x${index}`, mode: 'leased', ...(renderError && { renderError }) },
      () => {
        throw error;
      },
    );
    const first = await shown(await route(post('k')));
    expect(first).toEqual({ status, text, replayed: null });
    expect(await shown(await route(post('k')))).toEqual({ ...first, replayed: 'true' });
  }
});

test('an answer longer than may be kept reaches its caller whole, and nobody else: it never runs again', async () => {
  for (const mode of ['atomic', 'leased'] as const) {
    for (const status of [200, 404]) {
      const { idempotent, store } = setUp();
      let [runs, produced] = [0, 0];
      const route: Route = idempotent({ name: 'x', mode, maxOutcomeBytes: 10_000 }, () => {
        runs++;
        const pull = (controller: ReadableStreamDefaultController) => {
          if (produced === 100) return controller.close();
          produced++;
          controller.enqueue(new Uint8Array(1000).fill(produced));
        };
        return new Response(new ReadableStream({ pull }), { status });
      });
      const first = await route(post('k'));
      // Read up to the limit and no further while nobody takes it.
      expect(produced).toBeLessThan(20);
      const bytes = new Uint8Array(await first.arrayBuffer());
      expect([first.status, bytes.length, bytes[0], bytes.at(-1)]).toEqual([status, 100_000, 1, 100]);
      const again = await route(post('k'));
      expect([again.status, await codeOf(again)]).toEqual([409, 'outcome_gone']);
      expect(runs).toBe(1);
      const found = await store.lookup({ scope: 'alice', procedure: 'x', key: 'k' });
      expect(JSON.parse(found?.record.outcome ?? '')).toEqual({
        v: 1,
        ok: status === 200,
        gone: 'too_large',
      });
    }
  }
});

test('a stream of events is not waited for', async () => {
  const { idempotent } = setUp();
  let send = (_text: string): void => {};
  const body = new ReadableStream({
    start(controller) {
      send = (text) => controller.enqueue(new TextEncoder().encode(text));
    },
  });
  const headers = { 'content-type': 'text/event-stream; charset=utf-8' };
  const route: Route = idempotent({ name: 'x', mode: 'leased' }, () => new Response(body, { headers }));
  const reader = (await route(post('k'))).body?.getReader();
  send('data: 1');
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('data: 1');
  expect(await codeOf(await route(post('k')))).toBe('outcome_gone');
});

test("an answer passed on from another service doesn't bring that one's marks", async () => {
  const { idempotent } = setUp();
  const headers = { 'Idempotency-Replayed': 'true', 'Idempotency-Operation': 'theirs' };
  const route: Route = idempotent(
    { name: 'x', mode: 'atomic' },
    async (request) => new Response('', { status: Number(await request.text()), headers }),
  );
  for (const status of ['200', '404', '503']) {
    const answer = await route(post(status, status));
    expect(answer.headers.get('idempotency-replayed')).toBe(null);
    expect(answer.headers.get('idempotency-operation')).not.toBe('theirs');
  }
});

test('of several that come at once only the first gets an answer that is too long to keep', async () => {
  const { idempotent } = setUp();
  const route: Route = idempotent(
    { name: 'x', mode: 'atomic', maxOutcomeBytes: 100 },
    () => new Response('x'.repeat(500)),
  );
  const answers = await Promise.all([1, 2, 3].map(() => route(post('k'))));
  expect(answers.map(({ status }) => status)).toEqual([200, 409, 409]);
  expect(await answers[0]?.text()).toBe('x'.repeat(500));
});

test('guards and parsers come before the claim: what they answer or throw is the answer', async () => {
  const { idempotent, recorded, events } = setUp();
  let runs = 0;
  const route: Route = idempotent(
    {
      name: 'x',
      mode: 'atomic',
      async admit(request) {
        const { n } = (await request.json()) as { n?: number };
        if (n === undefined) return new Response('n, please', { status: 422 });
        if (n < 0) throw new Response('forbidden', { status: 403 });
        return { n };
      },
    },
    async (request, { admitted }) => {
      runs++;
      return Response.json([admitted.n, await request.json()]);
    },
  );
  expect(await shown(await route(post('k', '{}')))).toEqual({
    status: 422,
    text: 'n, please',
    replayed: null,
  });
  expect(await shown(await route(post('k', '{"n":-1}')))).toMatchObject({ status: 403, text: 'forbidden' });
  expect(await recorded()).toBe(0);
  expect(events).toEqual([]);
  expect(await shown(await route(post('k', '{"n":7}')))).toMatchObject({ status: 200, text: '[7,{"n":7}]' });
  expect(runs).toBe(1);
});

test('who is nobody gets 401, and what scope throws as a response is the answer', async () => {
  const { semel, recorded } = setUp();
  const scope = (request: Request) => {
    if (request.headers.get('authorization') === 'nobody') return '';
    throw new Response('log in', { status: 401 });
  };
  const idempotent = httpIdempotency({ semel, scope });
  const route: Route = idempotent({ name: 'x', mode: 'atomic' }, () => new Response());
  expect((await route(post('k', '{}', { authorization: 'nobody' }))).status).toBe(401);
  expect((await shown(await route(post('k')))).text).toBe('log in');
  expect((await idempotent.status()(new Request('http://x/operations/1'))).status).toBe(401);
  expect(await recorded()).toBe(0);
});

test('a body beyond the limit is refused before anything is claimed, announced or not; one at the limit is not', async () => {
  const { idempotent, recorded } = setUp();
  const route: Route = idempotent({ name: 'x', mode: 'atomic', maxBodyBytes: 100 }, () => new Response('ok'));
  const stream = (bytes: number) => new Blob(['x'.repeat(bytes)]).stream();
  expect((await route(post('k', 'x'.repeat(101)))).status).toBe(413);
  expect((await route(post('k', stream(101)))).status).toBe(413);
  expect((await route(post('k', stream(5), { 'content-length': '101' }))).status).toBe(413);
  const broken = new ReadableStream({
    pull(controller) {
      controller.error(new Error('reset'));
    },
  });
  expect((await route(post('k', broken))).status).toBe(400);
  expect(await recorded()).toBe(0);
  expect((await route(post('k', stream(100)))).status).toBe(200);
});

test('a body that somebody has read already is an error that says what to do', async () => {
  const { idempotent } = setUp();
  const route: Route = idempotent({ name: 'x', mode: 'atomic' }, () => new Response());
  const request = post('k');
  await request.text();
  await expect(route(request)).rejects.toThrow(/was already read.*request.clone\(\)/);
});

test('JSON nested too deep for a canonical form is the same by its bytes', async () => {
  const { idempotent } = setUp();
  const route: Route = idempotent({ name: 'x', mode: 'atomic' }, () => new Response('ok'));
  const deep = `${'['.repeat(100)}${']'.repeat(100)}`;
  expect((await route(post('k', deep))).status).toBe(200);
  expect((await route(post('k', deep))).headers.get('idempotency-replayed')).toBe('true');
  expect((await route(post('k', ` ${deep}`))).status).toBe(422);
});

test('safe methods pass through, key or not; there is no operation on them', async () => {
  const { idempotent, recorded } = setUp();
  const route: Route = idempotent({ name: 'x', mode: 'atomic' }, (request, { operation, original }) => {
    expect(original).toBe(request);
    if (new URL(request.url).pathname === '/tx') return Response.json(operation.tx);
    return new Response(request.method, { headers: { 'cache-control': 'max-age=5' } });
  });
  for (const method of ['GET', 'HEAD', 'OPTIONS']) {
    const response = await route(new Request('http://x/', { method, headers: { 'idempotency-key': '"' } }));
    expect([await response.text(), response.headers.get('cache-control')]).toEqual([method, 'max-age=5']);
  }
  await expect(route(new Request('http://x/tx'))).rejects.toThrow(
    'operation.tx on GET: a safe method has no operation',
  );
  expect(await recorded()).toBe(0);
});

test('the handler has its request with its body, a signal that is not its caller’s, and the one that came', async () => {
  const { idempotent } = setUp();
  const hungUp = new AbortController();
  const request = new Request(post('k', '{"a":1}'), { signal: hungUp.signal });
  const route: Route = idempotent({ name: 'x', mode: 'leased' }, async (copy, { operation, original }) => {
    hungUp.abort();
    expect(original).toBe(request);
    expect([copy.signal.aborted, operation.signal.aborted, original.signal.aborted]).toEqual([
      false,
      false,
      true,
    ]);
    expect(copy.headers.get('authorization')).toBe('alice');
    return Response.json(await copy.json());
  });
  expect(await (await route(request)).text()).toBe('{"a":1}');
});

test('what stands behind the request comes to scope, guards and handler', async () => {
  const { semel } = setUp();
  interface Env {
    readonly user: string;
  }
  const idempotent = httpIdempotency({ semel, scope: (_request, env: Env) => env.user });
  const route = idempotent(
    { name: 'x', mode: 'atomic', admit: (_request, env, id) => `${env.user} ${id}` },
    (_request, { operation, admitted }, env: Env, id: number) =>
      Response.json([operation.scope, admitted, env.user, id]),
  );
  expect(await (await route(post('k'), { user: 'ann' }, 7)).json()).toEqual(['ann', 'ann 7', 'ann', 7]);
});

test('leased: what settle is given is the answer, and settle gives it back', async () => {
  const { idempotent } = setUp();
  let given: Response | undefined;
  const route: Route = idempotent({ name: 'x', mode: 'leased' }, async (_request, { operation }) => {
    const settled = await operation.settle(async () => Response.json({ a: 1 }, { status: 201 }));
    given = settled;
    return new Response('ignored', { status: 500 });
  });
  expect(await shown(await route(post('k')))).toEqual({ status: 201, text: '{"a":1}', replayed: null });
  expect(await shown(await route(post('k')))).toEqual({ status: 201, text: '{"a":1}', replayed: 'true' });
  expect([given?.status, await given?.text()]).toEqual([201, '{"a":1}']);
});

test('leased: settle with a no rolls back, stored or not by its status; refuse keeps the writes', async () => {
  const { idempotent, store } = setUp();
  const cases = [
    [new Response('no', { status: 402 }), 402, 'failed'],
    [new Response('later', { status: 503 }), 503, 'released'],
  ] as const;
  for (const [response, status, state] of cases) {
    const route: Route = idempotent({ name: `x${status}`, mode: 'leased' }, (_request, { operation }) =>
      operation.settle(async () => response),
    );
    expect((await route(post('k'))).status).toBe(status);
    const found = await store.lookup({ scope: 'alice', procedure: `x${status}`, key: 'k' });
    expect(found?.record.state).toBe(state);
  }
  const refused: Route = idempotent({ name: 'y', mode: 'leased' }, (_request, { operation }) =>
    operation.settle<Response>(async () => operation.refuse(new Response('no', { status: 409 }))),
  );
  expect(await shown(await refused(post('k')))).toMatchObject({ status: 409, text: 'no' });
  expect(await shown(await refused(post('k')))).toEqual({ status: 409, text: 'no', replayed: 'true' });
});

test('a handler that answers with something else is told so', async () => {
  const { idempotent, recorded } = setUp();
  const route: Route = idempotent({ name: 'x', mode: 'atomic' }, (() => ({ a: 1 })) as never);
  await expect(route(post('k'))).rejects.toThrow('The handler of x has to answer with a Response');
  const read: Route = idempotent({ name: 'y', mode: 'atomic' }, async () => {
    const response = new Response('x');
    await response.text();
    return response;
  });
  await expect(read(post('k'))).rejects.toThrow('already read');
  expect(await recorded()).toBe(0);
});

test('an optional key may be missing but not malformed; a derived one is the request itself', async () => {
  const { idempotent } = setUp();
  let runs = 0;
  const answer = () => new Response(String(++runs));
  const optional: Route = idempotent({ name: 'o', mode: 'atomic', key: 'optional' }, answer);
  expect([
    (await shown(await optional(post(undefined)))).text,
    (await shown(await optional(post(undefined)))).text,
  ]).toEqual(['1', '2']);
  expect(await codeOf(await optional(post('"')))).toBe('key_malformed');
  const derived: Route = idempotent({ name: 'd', mode: 'atomic', key: 'derived' }, answer);
  expect((await shown(await derived(post(undefined, '{"a":1}')))).text).toBe('3');
  expect(await shown(await derived(post(undefined, '{ "a": 1 }')))).toMatchObject({
    text: '3',
    replayed: 'true',
  });
  expect((await shown(await derived(post(undefined, '{"a":2}')))).text).toBe('4');
});

test('a policy narrows the scope and picks what identifies a request', async () => {
  const { idempotent } = setUp();
  let runs = 0;
  const student = ({ content }: { content: unknown }) =>
    (content as { value: { student: string } }).value.student;
  const route: Route = idempotent(
    { name: 'x', mode: 'atomic', scope: student, fingerprint: ({ method }) => method, mismatchStatus: 409 },
    () => new Response(String(++runs)),
  );
  const text = async (body: string) => (await shown(await route(post('k', body)))).text;
  expect([
    await text('{"student":"a","x":1}'),
    await text('{"student":"b","x":1}'),
    await text('{"student":"a","x":2}'),
  ]).toEqual(['1', '2', '1']);
  const put = new Request(post('k', '{"student":"a"}'), { method: 'PUT' });
  const other = await route(put);
  expect([other.status, await codeOf(other)]).toEqual([409, 'key_reused']);
});

test('a store that is away is 503 with advice, and nothing runs', async () => {
  const store = createMemoryStore();
  const refuse = () => Promise.reject(new StoreUnavailable());
  const methods = Object.entries(store).filter(([, member]) => typeof member === 'function');
  const away = { ...store, ...Object.fromEntries(methods.map(([name]) => [name, refuse])) } as typeof store;
  const { idempotent } = setUp(away);
  let runs = 0;
  for (const mode of ['atomic', 'leased'] as const) {
    const route: Route = idempotent({ name: mode, mode }, () => new Response(String(++runs)));
    const answer = await route(post('k'));
    expect([answer.status, answer.headers.get('retry-after'), await codeOf(answer)]).toEqual([
      503,
      '2',
      'store_unavailable',
    ]);
  }
  const status = await idempotent.status()(
    new Request('http://x/idempotency/operations/abc', { headers: { authorization: 'alice' } }),
  );
  expect([status.status, status.headers.get('retry-after')]).toEqual([503, '2']);
  expect(runs).toBe(0);
});

test('with a key ring the store can read neither answer nor request, and a replay is the same', async () => {
  const store = createMemoryStore();
  const keyRing = { current: 'k1', keys: { k1: Uint8Array.from({ length: 32 }, (_, at) => at) } };
  const semel = createSemel({ store, recovery: false, keyRing });
  const idempotent = httpIdempotency({ semel, scope: () => 'alice' });
  const route: Route = idempotent(
    { name: 'x', mode: 'leased' },
    () => new Response('private', { status: 402 }),
  );
  await route(post('k'));
  expect(await shown(await route(post('k')))).toEqual({ status: 402, text: 'private', replayed: 'true' });
  expect((await route(post('k', '[]'))).status).toBe(422);
  const found = await store.lookup({ scope: 'alice', procedure: 'x', key: 'k' });
  expect(found?.record.outcome).not.toContain('private');
  expect(found?.record.fingerprint).toMatch(/^v1:k1:/);
});

test('something else that was stored under the same name is gone, not an answer', async () => {
  const { idempotent, semel } = setUp();
  const route: Route = idempotent({ name: 'x', mode: 'atomic', mismatch: 'replay' }, () => new Response('x'));
  await semel.run({ scope: 'alice', name: 'x', key: 'k', input: 1, mode: 'atomic' }, async () => ({
    status: 'odd',
  }));
  expect(await codeOf(await route(post('k')))).toBe('outcome_gone');
});

test('status is asked with GET, by id or by name and key', async () => {
  const { idempotent } = setUp();
  const status = idempotent.status();
  const ask = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    status(
      new Request(`http://x/idempotency/operations${path}`, {
        method,
        headers: { authorization: 'alice', ...headers },
      }),
    );
  expect((await ask('/a', {}, 'DELETE')).headers.get('allow')).toBe('GET, HEAD');
  expect((await ask('')).status).toBe(400);
  expect((await ask('/%ff')).status).toBe(400);
  expect(await codeOf(await ask('?procedure=x'))).toBe('key_missing');
  expect(await codeOf(await ask('?procedure=x', { 'idempotency-keys': '"a"' }))).toBe('key_malformed');
  expect(await codeOf(await ask('?procedure=x', { 'idempotency-key': '"a' }))).toBe('key_malformed');
  const nothing = await ask('?procedure=x', { 'idempotency-key': 'a' });
  expect([nothing.status, await nothing.json()]).toEqual([200, { state: 'not_found', procedure: 'x' }]);
  const route: Route = idempotent({ name: 'x', mode: 'atomic' }, () => new Response('x'));
  await route(post('a'));
  const found = await ask('?procedure=x', { 'idempotency-key': 'a' });
  expect([found.status, ((await found.json()) as { state: string }).state]).toEqual([200, 'completed']);
});

test.each(['atomic', 'leased'] as const)('%s: a refusal of nothing is a refusal', async (mode) => {
  const { idempotent } = setUp();
  const route: Route = idempotent({ name: 'x', mode }, (_request, { operation }) =>
    operation.refuse(undefined),
  );
  const first = await shown(await route(post('k')));
  expect(first).toMatchObject({ status: 422, replayed: null });
  expect(await shown(await route(post('k')))).toEqual({ ...first, replayed: 'true' });
});
