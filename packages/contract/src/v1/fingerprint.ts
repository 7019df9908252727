import { canonicalForm } from './canonical.ts';
import type { CanonicalLimits } from './canonical-walk.ts';
import { netstring } from './netstring.ts';
import { sha256Base64Url } from './sha256.ts';

/**
 * The fingerprint of a call: `v1:` and the base64url SHA-256 over the procedure's stable name and the canonical form of
 * its raw input, before any parser. Same value in every runtime. It tells apart what differs and doesn't tell apart what
 * means the same; `canonicalForm` says which is which.
 *
 * It is no secret: whoever can guess the input can check the guess.
 *
 * @throws CanonicalError for an input without a canonical form or beyond a limit.
 * @example fingerprint('payments.create', { amount: 100n }) === fingerprint('payments.create', { amount: 100n })
 */
export function fingerprint(procedure: string, input: unknown, limits?: CanonicalLimits): string {
  return `v1:${sha256Base64Url(`${VALUE}${netstring(procedure)}${canonicalForm(input, limits)}`)}`;
}

/**
 * The fingerprint of a body that isn't JSON: name, content type (without regard to case and blanks) and bytes.
 * Much cheaper than `fingerprint`, but it also tells apart what means the same, so never use it for JSON or multipart.
 */
export function fingerprintBytes(procedure: string, contentType: string, body: Uint8Array): string {
  const type = contentType.toLowerCase().replace(/[ \t]/g, '');
  const head = new TextEncoder().encode(`${BYTES}${netstring(procedure)}${netstring(type)}`);
  return `v1:${sha256Base64Url(joined(head, body))}`;
}

/** One part of a multipart body, as its parser gives it. */
export interface FingerprintPart {
  name: string;
  filename?: string;
  contentType?: string;
  body: Uint8Array;
}

/** The fingerprint of a multipart body by its parts in their order: the boundary, new on every attempt, isn't in it. */
export function fingerprintParts(procedure: string, parts: readonly FingerprintPart[]): string {
  const encoder = new TextEncoder();
  const chunks: Uint8Array[] = [encoder.encode(`${PARTS}${netstring(procedure)}${parts.length}:`)];
  for (const { name, filename, contentType, body } of parts) {
    // JSON tells an absent file name from an empty one and escapes lone surrogates.
    const head = JSON.stringify([
      name,
      filename ?? null,
      contentType?.toLowerCase().replace(/[ \t]/g, '') ?? null,
    ]);
    chunks.push(encoder.encode(`${netstring(head)}${body.length}:`), body);
  }
  return `v1:${sha256Base64Url(joined(...chunks))}`;
}

/** Which algorithm made a stored fingerprint: what stands before the first colon, `v1` for all of this entry. */
export function fingerprintVersion(fp: string): string {
  const colon = fp.indexOf(':');
  return colon < 0 ? '' : fp.slice(0, colon);
}

// What kind of thing was hashed is hashed too: no body can be made that has the fingerprint of another kind.
const VALUE = /* @__PURE__ */ netstring('semel-fingerprint-v1-value');
const BYTES = /* @__PURE__ */ netstring('semel-fingerprint-v1-bytes');
const PARTS = /* @__PURE__ */ netstring('semel-fingerprint-v1-parts');

function joined(...chunks: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
