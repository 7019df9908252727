import type { Parts } from './parts.ts';
import { permitted, t } from './trpc.ts';

export const idempotencyRouter = ({ idempotent }: Parts) =>
  t.router({
    /** For a client that lost its answer: by operation id, or by procedure and key. */
    status: idempotent.status(permitted('read')),
  });
