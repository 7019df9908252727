import { OperationStatusSchema } from '@semel/contract/v1';
import { z } from 'zod';
import type { Parts } from './parts.ts';
import { permitted, t } from './trpc.ts';

const path = '/idempotency/operations';
const status = OperationStatusSchema.meta({ id: 'OperationStatus' });

export const idempotencyRouter = ({ idempotent }: Parts) =>
  t.router({
    /** For a client that lost its answer: by operation id, or by procedure and key. */
    status: idempotent.status(
      permitted('read').meta({
        rest: [
          {
            method: 'GET',
            path: `${path}/{operationId}`,
            name: 'idempotencyStatus',
            summary: 'What is known about an operation. `not_found`: not recorded; it may still happen',
            namesOperation: true,
            input: z.object({ operationId: z.string() }),
            output: status,
          },
          {
            method: 'GET',
            path,
            name: 'idempotencyStatusByKey',
            summary: 'The same, for a client that knows only its key',
            keyMember: 'key',
            namesOperation: true,
            input: z.object({ procedure: z.string(), key: z.string() }),
            output: status,
          },
        ],
      }),
    ),

    /** The same, whenever it changes, until it is settled: for a page that shows progress. */
    statusUpdates: idempotent.statusUpdates(permitted('read')),
  });
