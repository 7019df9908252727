import { randomBytes } from 'node:crypto';

// randomBytes crosses into native code each time; ids are wanted twice a request, so 256 are drawn at once.
const SIZE = 16;
const POOL = SIZE * 256;
let pool = Buffer.alloc(0);
let used = POOL;

/** 128 random bits as 22 characters of base64url. */
export function randomId(): string {
  if (used >= POOL) {
    pool = randomBytes(POOL);
    used = 0;
  }
  used += SIZE;
  return pool.toString('base64url', used - SIZE, used);
}

/**
 * The id of a new operation: 9 characters of time, then 128 random bits. The time (of this process; nothing depends on
 * it) makes new ids neighbours, so that an index over them grows at one end, and a walk in their order is one by age.
 */
export function operationId(): string {
  return Date.now().toString(32).padStart(9, '0') + randomId();
}
