import { readUpTo } from './read-body.ts';

/** An answer, read: what is stored and replayed. */
export interface Snapshot {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** `undefined`: no body at all, as with 204 and 304. */
  readonly body: Uint8Array<ArrayBuffer> | undefined;
  /** Longer than may be kept: the first caller gets this stream, and nobody else anything. */
  readonly stream?: ReadableStream<Uint8Array>;
}

/** By its members: frameworks and bundlers bring `Response` classes of their own. */
export const isResponse = (value: unknown): value is Response =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as Partial<Response>).status === 'number' &&
  typeof (value as Partial<Response>).arrayBuffer === 'function' &&
  typeof (value as Partial<Response>).headers?.get === 'function';

const captured = new WeakMap<Response, Promise<Snapshot>>();

/**
 * Reads a response up to a limit. Asked again about the same response it gives the same snapshot.
 *
 * @throws TypeError for one that was read before, or none (`Response.error()`); what its stream fails with
 */
export function capture(response: Response, maxBytes: number): Promise<Snapshot> {
  const before = captured.get(response);
  if (before !== undefined) return before;
  const snapshot = read(response, maxBytes);
  captured.set(response, snapshot);
  return snapshot;
}

async function read(response: Response, maxBytes: number): Promise<Snapshot> {
  const { status, bodyUsed } = response;
  if (status < 200 || status > 599) throw new TypeError(`A handler can't answer with status ${status}`);
  if (bodyUsed) throw new TypeError("The handler's response was already read: return one that wasn't");
  const headers = [...response.headers];
  if (response.body === null) return { status, headers, body: undefined };
  // Events may be hours apart: nothing that waits for their end would ever answer.
  if (/^text\/event-stream\b/i.test(response.headers.get('content-type') ?? '')) {
    return { status, headers, body: undefined, stream: response.body };
  }
  const { bytes, rest } = await readUpTo(response.body, maxBytes);
  return rest === undefined
    ? { status, headers, body: bytes }
    : { status, headers, body: undefined, stream: rest };
}

/** As it is stored. Text stays readable for those who look into the store; all else is base64. */
export interface StoredAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly text?: string;
  readonly base64?: string;
}

export function storedFrom({ status, headers, body }: Snapshot, replay: ReadonlySet<string>): StoredAnswer {
  const kept = { status, headers: headers.filter(([name]) => replay.has(name.toLowerCase())) };
  if (body === undefined) return kept;
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return isUtf8(bytes)
    ? { ...kept, text: bytes.toString('utf8') }
    : { ...kept, base64: bytes.toString('base64') };
}

const utf8 = /* @__PURE__ */ new TextDecoder('utf-8', { fatal: true });

function isUtf8(bytes: Uint8Array): boolean {
  try {
    utf8.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** `undefined` for what is no stored answer, as when something else was stored under the same name. */
export function snapshotFrom(stored: unknown): Snapshot | undefined {
  if (typeof stored !== 'object' || stored === null) return undefined;
  const { status, headers, text, base64 } = stored as Partial<StoredAnswer>;
  if (typeof status !== 'number' || !Number.isInteger(status) || status < 200 || status > 599)
    return undefined;
  if (!Array.isArray(headers)) return undefined;
  const encoded = text ?? base64;
  if (encoded !== undefined && typeof encoded !== 'string') return undefined;
  const body =
    encoded === undefined
      ? undefined
      : new Uint8Array(Buffer.from(encoded, text === undefined ? 'base64' : 'utf8'));
  return { status, headers, body };
}
