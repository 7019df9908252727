import { createHash, randomUUID } from 'node:crypto';

/**
 * The id of the job for one state of one record: sent again for the same state it is the same job, and the next state has
 * another. Shaped as a UUID (version 8: made of a hash), which is what queues take.
 */
export function jobId(operationId: string, version: number): string {
  return idFrom(`semel job v1\0${operationId}\0${version}`);
}

/** Servers that heal at the same time send one job between them. */
const HEALED_TOGETHER_MS = 30_000;

/**
 * For a job that takes the place of one that was lost: not the lost one's id, which a queue may remember for long, and another
 * one later, in case that this one gets lost too. The same in all servers, as far as their clocks agree: a job too many does
 * no harm, but somebody has to look at it.
 */
export const healedJobId = (operationId: string, version: number, now = Date.now()): string =>
  idFrom(`semel healed job v1\0${operationId}\0${version}\0${Math.floor(now / HEALED_TOGETHER_MS)}`);

function idFrom(text: string): string {
  const hash = createHash('sha256').update(text).digest();
  hash[6] = (hash.readUInt8(6) & 0x0f) | 0x80;
  hash[8] = (hash.readUInt8(8) & 0x3f) | 0x80;
  const hex = hash.toString('hex', 0, 16);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** For a job that was put back: it is the same state of the record, and may be put back any number of times. */
export const freshJobId = (): string => randomUUID();
