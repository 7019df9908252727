import { hash } from 'node:crypto';
import { type OperationIdentity, type OperationRecord, PURGED_FINGERPRINT } from './port.ts';

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
  sign: (text, { scope, procedure, key }) =>
    hash('sha256', `${JSON.stringify([scope, procedure, key])}${text}`, 'base64url'),
  holds: (seal, text, identity) => seal === checksum.sign(text, identity),
};

const VERSION = 1;

/** Three lines: the seal over the rest, what identifies, the outcome as it is stored. */
export function textFromEntry(entry: SettledEntry, seal: EntrySeal): string {
  const { scope, procedure, key, operationId, fingerprint, state, attempt, expiresAt } = entry;
  const head = [VERSION, scope, procedure, key, operationId, fingerprint, state, attempt, expiresAt];
  const body = `${JSON.stringify(head)}\n${entry.outcome}`;
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
  let head: unknown;
  try {
    head = JSON.parse(text.slice(sealEnd + 1, headEnd));
  } catch {
    return undefined;
  }
  if (!Array.isArray(head)) return undefined;
  const [version, scope, procedure, key, operationId, fingerprint, state, attempt, expiresAt] = head;
  if (version !== VERSION || (state !== 'completed' && state !== 'failed')) return undefined;
  if (typeof operationId !== 'string' || typeof fingerprint !== 'string') return undefined;
  if (!Number.isSafeInteger(attempt) || !Number.isSafeInteger(expiresAt)) return undefined;
  const outcome = text.slice(headEnd + 1);
  const entry = { scope, procedure, key, operationId, fingerprint, state, attempt, outcome, expiresAt };
  return isServable(entry, identity, now) ? entry : undefined;
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
