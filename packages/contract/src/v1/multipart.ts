/** One part of a multipart body: its headers as they were sent (names in lower case), and its bytes. */
export interface MultipartPart {
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
}

const MAX_PARTS = 1000;
const BOUNDARY = /;[ \t]*boundary=(?:"([^"\\]{1,200})"|([^\s";,]{1,200}))[ \t]*(?=;|$)/gi;
const encoder = /* @__PURE__ */ new TextEncoder();

/**
 * Takes a multipart body apart, so that the boundary, new on every attempt, stays out of a fingerprint.
 *
 * Strict on purpose: whatever two parsers might read differently (text before the first or after the last boundary, folded
 * headers, a boundary named twice) is `undefined`, and has to be taken as bytes. Never throws.
 */
export function splitMultipart(contentType: string, body: Uint8Array): MultipartPart[] | undefined {
  const boundaries = [...contentType.matchAll(BOUNDARY)];
  const [only] = boundaries;
  const boundary = only?.[1] ?? only?.[2];
  if (boundaries.length !== 1 || boundary === undefined) return undefined;
  const delimiter = encoder.encode(`\r\n--${boundary}`);
  if (!startsWith(body, delimiter.subarray(2), 0)) return undefined;

  const parts: MultipartPart[] = [];
  let at = delimiter.length - 2;
  for (;;) {
    if (body[at] === DASH && body[at + 1] === DASH) return isBlank(body, at + 2) ? parts : undefined;
    while (body[at] === SPACE || body[at] === TAB) at++;
    if (body[at] !== CR || body[at + 1] !== LF || parts.length === MAX_PARTS) return undefined;
    const end = indexOf(body, delimiter, at + 2);
    const part = end < 0 ? undefined : partFrom(body.subarray(at + 2, end));
    if (part === undefined) return undefined;
    parts.push(part);
    at = end + delimiter.length;
  }
}

const CR = 0x0d;
const LF = 0x0a;
const DASH = 0x2d;
const SPACE = 0x20;
const TAB = 0x09;
const BLANK_LINE = /* @__PURE__ */ encoder.encode('\r\n\r\n');

function partFrom(bytes: Uint8Array): MultipartPart | undefined {
  if (bytes[0] === CR && bytes[1] === LF) return { headers: [], body: bytes.subarray(2) };
  const end = indexOf(bytes, BLANK_LINE, 0);
  if (end < 0) return undefined;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(0, end));
  } catch {
    return undefined;
  }
  const headers: [string, string][] = [];
  for (const line of text.split('\r\n')) {
    const header = /^([!#-'*+\-.0-9A-Z^-z|~]+):[ \t]*([^\r\n\0]*)$/.exec(line);
    if (header === null) return undefined;
    headers.push([(header[1] as string).toLowerCase(), (header[2] as string).trimEnd()]);
  }
  return { headers, body: bytes.subarray(end + 4) };
}

/** Nothing but one line's end may follow the last boundary. */
const isBlank = (body: Uint8Array, at: number): boolean =>
  at === body.length || (at + 2 === body.length && body[at] === CR && body[at + 1] === LF);

function startsWith(body: Uint8Array, wanted: Uint8Array, at: number): boolean {
  for (let i = 0; i < wanted.length; i++) if (body[at + i] !== wanted[i]) return false;
  return true;
}

function indexOf(body: Uint8Array, wanted: Uint8Array, from: number): number {
  const first = wanted[0] as number;
  for (let at = body.indexOf(first, from); at >= 0; at = body.indexOf(first, at + 1)) {
    if (startsWith(body, wanted, at)) return at;
  }
  return -1;
}
