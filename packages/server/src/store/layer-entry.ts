import { hash } from 'node:crypto';
import { identityKey, type OperationIdentity, type OperationRecord, PURGED_FINGERPRINT } from './port.ts';

/** What a layer keeps of a settled operation: enough to replay it, and to see that it is the right one. */
export interface SettledEntry extends OperationIdentity {
  readonly operationId: string;
  /** As stored. */
  readonly fingerprint: string;
  readonly state: 'completed' | 'failed';
  readonly attempt: number;
  /** As stored: sealed where the operation is. */
  readonly outcome: string;
  /** Absolute, by the authority's clock. */
  readonly expiresAt: number;
}

/** Binds a text to an identity: an HMAC where there is a key ring. */
export interface EntrySeal {
  sign(text: string, identity: OperationIdentity): string;
  holds(seal: string, text: string, identity: OperationIdentity): boolean;
}

/** Without a key ring: finds out what was torn, mixed up or put at another's place, not what somebody forged. */
export const checksum: EntrySeal = {
  sign: (text, identity) => hash('sha256', `${identityKey(identity)}\n${text}`, 'base64url'),
  holds: (seal, text, identity) => seal === checksum.sign(text, identity),
};

const VERSION = '2';

/**
 * Three lines: the seal over the rest and the identity, what is known of the operation, the outcome as it is stored. Whose it is
 * isn't in the text: at another's place the seal doesn't hold.
 */
export function textFromEntry(entry: SettledEntry, seal: EntrySeal): string {
  const { operationId, fingerprint, state, attempt, expiresAt, outcome } = entry;
  const body = `${VERSION} ${state} ${attempt} ${expiresAt} ${operationId} ${fingerprint}\n${outcome}`;
  return `${seal.sign(body, entry)}\n${body}`;
}

/**
 * The entry, if it is whole, this identity's and not expired; otherwise `undefined`, and the authority is asked.
 *
 * @param now epoch ms of this process. It may differ from the authority's clock by the grace after `expiresAt`; until then
 *   the record is what it was.
 */
export function entryFromText(
  text: string,
  identity: OperationIdentity,
  seal: EntrySeal,
  now: number,
): SettledEntry | undefined {
  const sealEnd = text.indexOf('\n');
  const headEnd = text.indexOf('\n', sealEnd + 1);
  if (sealEnd < 0 || headEnd < 0) return undefined;
  if (!seal.holds(text.slice(0, sealEnd), text.slice(sealEnd + 1), identity)) return undefined;
  const head = text.slice(sealEnd + 1, headEnd).split(' ');
  const [version, state, attemptText, expiryText, operationId, fingerprint] = head;
  if (version !== VERSION || head.length !== 6 || (state !== 'completed' && state !== 'failed'))
    return undefined;
  if (operationId === undefined || fingerprint === undefined) return undefined;
  const attempt = Number(attemptText);
  const expiresAt = Number(expiryText);
  if (!Number.isSafeInteger(attempt) || !Number.isSafeInteger(expiresAt) || now >= expiresAt)
    return undefined;
  const { scope, procedure, key } = identity;
  const outcome = text.slice(headEnd + 1);
  return { scope, procedure, key, operationId, fingerprint, state, attempt, outcome, expiresAt };
}

/** Whether it is this identity's and not expired. */
export function isServable(entry: SettledEntry, identity: OperationIdentity, now: number): boolean {
  const { scope, procedure, key } = identity;
  return entry.key === key && entry.scope === scope && entry.procedure === procedure && now < entry.expiresAt;
}

/** What may be kept of a record; `undefined` unless it is settled and has an answer. */
export function entryFromRecord(record: OperationRecord): SettledEntry | undefined {
  const { scope, procedure, key, operationId, fingerprint, state, attempt, outcome, expiresAt } = record;
  if (state !== 'completed' && state !== 'failed') return undefined;
  if (outcome === undefined || expiresAt === undefined || fingerprint === PURGED_FINGERPRINT)
    return undefined;
  return { scope, procedure, key, operationId, fingerprint, state, attempt, outcome, expiresAt };
}
