import { expect, test } from 'vitest';
import { exchange } from './transport.ts';

test('an answer of a fetch-standard server whose body does not end in time is no answer', async () => {
  const endless = new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(1)) });
  const answering = exchange({
    url: new URL('http://localhost/things'),
    method: 'POST',
    headers: {},
    timeoutMs: 50,
    fetch: async () => new Response(endless),
  });
  await expect(answering).rejects.toThrow('POST /things was not answered within 50 ms');
});
