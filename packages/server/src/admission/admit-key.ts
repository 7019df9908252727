import {
  type IdempotencyKey,
  type KeyListParse,
  parseContractHeader,
  parseKeyHeader,
  SUPPORTED_CONTRACTS,
  type Unwrapped,
} from '@semel/contract/v1/pure';

/** Where a call's key may have come from. */
export interface KeyCarriers {
  /** `Idempotency-Key`, for a request with one call. */
  readonly key: string | undefined;
  /** `Idempotency-Keys`, one member per call. Parsed once for all calls of a batch. */
  readonly keys: (() => KeyListParse) | undefined;
  readonly contract: string | undefined;
  /** Calls in the request; 0 on a socket, where headers belong to the connection and not to a call. */
  readonly calls: number;
}

export type AdmittedKey =
  | { readonly ok: true; readonly key: IdempotencyKey | undefined }
  | { readonly ok: false; readonly code: 'key_malformed' | 'contract_unsupported'; readonly reason: string };

const malformed = (reason: string): AdmittedKey => ({ ok: false, code: 'key_malformed', reason });

/**
 * The key of one call. Malformed is refused even where a key is optional: its sender meant to be protected.
 * What is wrong is said without repeating the value.
 */
export function admitKey(carriers: KeyCarriers, envelope: Unwrapped, batchIndex: number): AdmittedKey {
  if (carriers.calls === 0) return envelope.enveloped ? fromEnvelope(envelope) : { ok: true, key: undefined };
  if (parseContractHeader(carriers.contract) === undefined) {
    const reason = `this server speaks contract version ${SUPPORTED_CONTRACTS.join(', ')}`;
    return { ok: false, code: 'contract_unsupported', reason };
  }
  const sent =
    Number(carriers.key !== undefined) + Number(carriers.keys !== undefined) + Number(envelope.enveloped);
  if (sent > 1) return malformed('the key was sent in more than one place');
  if (envelope.enveloped) return fromEnvelope(envelope);
  if (carriers.key !== undefined) {
    if (carriers.calls > 1) {
      return malformed('a request with several calls takes Idempotency-Keys, one member per call');
    }
    const parsed = parseKeyHeader(carriers.key);
    return parsed.ok ? parsed : malformed(parsed.reason);
  }
  if (carriers.keys === undefined) return { ok: true, key: undefined };
  const list = carriers.keys();
  if (!list.ok) return malformed(list.reason);
  if (list.keys.length !== carriers.calls) {
    return malformed(`Idempotency-Keys has ${list.keys.length} members for ${carriers.calls} calls`);
  }
  return { ok: true, key: list.keys[batchIndex] };
}

function fromEnvelope(envelope: Extract<Unwrapped, { enveloped: true }>): AdmittedKey {
  return envelope.ok ? { ok: true, key: envelope.key } : malformed(envelope.reason);
}
