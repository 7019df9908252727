/** A request whose body somebody has read already: what it asks for can't be told any more. */
export class BodyAlreadyRead extends Error {
  override readonly name = 'BodyAlreadyRead';
  constructor() {
    super(
      "The request's body was already read, so it can't be told whether a retry asks for the same. Put the idempotent route before whatever parses bodies, or hand over the bytes: express.json({ verify: keepRawBody }), a Fastify content type parser that leaves the stream alone, request.clone() where a Fetch middleware reads it.",
    );
  }
}

export type BodyRead =
  | { readonly kind: 'read'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'too large' }
  /** The caller went away in the middle, or sent less than it said. */
  | { readonly kind: 'cut off' };

/**
 * Reads a body whole, up to a limit: no more than that is ever held.
 *
 * @throws BodyAlreadyRead
 */
export async function readBody(request: Request, maxBytes: number): Promise<BodyRead> {
  if (request.bodyUsed || request.body?.locked === true) throw new BodyAlreadyRead();
  const { body } = request;
  if (body === null || body === undefined) return { kind: 'read', bytes: new Uint8Array(0) };
  const declared = request.headers.get('content-length');
  if (declared !== null && Number(declared) > maxBytes) {
    await body.cancel().catch(() => undefined);
    return { kind: 'too large' };
  }
  try {
    const { bytes, rest } = await readUpTo(body, maxBytes);
    if (rest === undefined) return { kind: 'read', bytes };
    await rest.cancel().catch(() => undefined);
    return { kind: 'too large' };
  } catch {
    return { kind: 'cut off' };
  }
}

/**
 * Up to `maxBytes` of a stream, and what follows if there is more: `rest` then holds everything, the bytes read included.
 *
 * @throws what the stream fails with
 */
export async function readUpTo(
  stream: ReadableStream<Uint8Array>,
  maxBytes: number,
): Promise<{ bytes: Uint8Array<ArrayBuffer>; rest: ReadableStream<Uint8Array> | undefined }> {
  const reader = stream.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return { bytes: joined(chunks, length), rest: undefined };
    if (!(value instanceof Uint8Array)) throw new TypeError('A body is made of bytes');
    chunks.push(value);
    length += value.length;
    if (length > maxBytes) return { bytes: new Uint8Array(0), rest: resumed(chunks, reader) };
  }
}

function resumed(
  chunks: Uint8Array[],
  reader: ReadableStreamDefaultReader<Uint8Array>,
): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const kept = chunks.shift();
        if (kept !== undefined) return controller.enqueue(kept);
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
