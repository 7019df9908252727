import { createHash, randomUUID } from 'node:crypto';

/**
 * The id of the job for one state of one record: sent again for the same state it is the same job, and the next state has
 * another. Shaped as a UUID (version 8: made of a hash), which is what queues take.
 */
export function jobId(operationId: string, version: number): string {
  const hash = createHash('sha256').update(`semel job v1\0${operationId}\0${version}`).digest();
  hash[6] = (hash.readUInt8(6) & 0x0f) | 0x80;
  hash[8] = (hash.readUInt8(8) & 0x3f) | 0x80;
  const hex = hash.toString('hex', 0, 16);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** For a job that takes the place of one that was lost: a queue may remember the other's id for long. */
export const freshJobId = (): string => randomUUID();
