import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from './answer.ts';
import type { Delivery } from './customers.ts';

/** What became of an answer. `abandoned`: the simulator was closed while it waited. */
export type Delivered = 'sent' | 'lost' | 'never' | 'abandoned';

/** Sends the answer, or loses it on the way. The effect has happened (and is on disk) in every case. */
export async function deliver(
  response: ServerResponse,
  { status, body, headers }: Answer,
  delivery: Delivery,
  { left, closing }: { readonly left: () => void; readonly closing: AbortSignal },
): Promise<Delivered> {
  // Released at once: a retry is to hang as well instead of being told that the key is in use.
  if (delivery.kind === 'never') {
    left();
    return 'never';
  }
  if (delivery.afterMs > 0) {
    const waited = await sleep(delivery.afterMs, true, { signal: closing }).catch(() => false);
    if (!waited) return 'abandoned';
  }
  left();
  const text = JSON.stringify(body);
  const allHeaders = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...headers,
  };
  if (delivery.kind === 'send') {
    response.writeHead(status, allHeaders).end(text);
    return 'sent';
  }
  const { socket } = response;
  if (delivery.how === 'connection') socket?.resetAndDestroy();
  // The end of the stream, not an RST: that could overtake the headers, and the client would see the other fault.
  else response.writeHead(status, allHeaders).write(text.slice(0, 20), () => socket?.destroySoon());
  return 'lost';
}
