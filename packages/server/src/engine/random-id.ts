import { randomBytes } from 'node:crypto';

// randomBytes crosses into native code each time; ids are wanted twice a request, so 64 are drawn at once.
const SIZE = 16;
const POOL = SIZE * 64;
let pool = Buffer.alloc(0);
let used = POOL;

/** 128 random bits as 22 characters of base64url: operation ids and owners. */
export function randomId(): string {
  if (used >= POOL) {
    pool = randomBytes(POOL);
    used = 0;
  }
  used += SIZE;
  return pool.toString('base64url', used - SIZE, used);
}
