import { expect, test } from 'vitest';
import { exposeIdempotencyHeaders } from './cors.ts';

const ask = async (answer: Response, headers: Record<string, string>): Promise<Response> => {
  const handler = exposeIdempotencyHeaders(() => answer);
  return handler(new Request('http://x/', { method: 'POST', headers }));
};

test('answers to another origin let its code read our headers, errors too, beside those that were exposed before', async () => {
  const plain = await ask(new Response('no', { status: 409 }), { origin: 'https://a.example' });
  expect([plain.status, await plain.text()]).toEqual([409, 'no']);
  expect(plain.headers.get('access-control-expose-headers')).toBe(
    'Idempotency-Replayed, Idempotency-Operation, Retry-After, Location',
  );
  const more = new Response('', { headers: { 'Access-Control-Expose-Headers': 'X-Total, retry-after' } });
  expect(
    (await ask(more, { origin: 'https://a.example' })).headers.get('access-control-expose-headers'),
  ).toBe('X-Total, retry-after, Idempotency-Replayed, Idempotency-Operation, Location');
});

test('preflights and callers of the same origin get the very answer of the handler', async () => {
  const answer = new Response(null, { status: 204 });
  expect(await ask(answer, { origin: 'https://a.example', 'access-control-request-method': 'POST' })).toBe(
    answer,
  );
  expect(await ask(answer, {})).toBe(answer);
});
