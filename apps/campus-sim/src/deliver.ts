import type { ServerResponse } from 'node:http';
import type { Answer } from './answer.ts';
import type { Delivery } from './faults.ts';

/** What became of an answer. `abandoned`: the service was closed while it waited. */
export type Delivered = 'sent' | 'lost' | 'never' | 'abandoned';

/** Sends the answer, or loses it on the way. The effect has happened (and is on disk) in every case. */
export async function deliver(
  response: ServerResponse,
  answer: Answer,
  delivery: Delivery,
  { left, closing }: { readonly left: () => void; readonly closing: AbortSignal },
): Promise<Delivered> {
  // Released at once: a retry is to get the stored answer instead of being told that the key is in use.
  if (delivery.kind === 'never') {
    left();
    return 'never';
  }
  await delivery.wait(closing);
  if (closing.aborted) return 'abandoned';
  left();
  if (delivery.kind === 'send') {
    send(response, answer);
    return 'sent';
  }
  const { socket } = response;
  if (delivery.how === 'connection') socket?.resetAndDestroy();
  else {
    const text = JSON.stringify(answer.body);
    // The end of the stream, not an RST: that could overtake the headers, and the caller would see the other fault.
    response
      .writeHead(answer.status, headersOf(answer, text))
      .write(text.slice(0, 10), () => socket?.destroySoon());
  }
  return 'lost';
}

export function send(response: ServerResponse, answer: Answer): void {
  const text = JSON.stringify(answer.body);
  response.writeHead(answer.status, headersOf(answer, text)).end(text);
}

const headersOf = ({ headers }: Answer, text: string): Record<string, string | number> => ({
  'content-type': 'application/json',
  'content-length': Buffer.byteLength(text),
  'cache-control': 'no-store',
  ...headers,
});
