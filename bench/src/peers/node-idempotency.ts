import { Idempotency, IdempotencyError, type IdempotencyErrorCodes } from '@node-idempotency/core';
import { MemoryStorageAdapter } from '@node-idempotency/storage-adapter-memory';
import { RedisStorageAdapter } from '@node-idempotency/storage-adapter-redis';
import type { ThingInput, Things } from '../things.ts';
import { type Guard, guarded } from './guarded.ts';
import type { Answer, Peer } from './peer.ts';
import { versionOf } from './version-of.ts';

type Storage = ConstructorParameters<typeof Idempotency>[0];

const version = `@node-idempotency/core ${versionOf('@node-idempotency/core')}`;
const configuration =
  'onRequest and onResponse around the handler as in its README; all options at their defaults (one TTL of 24 h for lock and record)';

export const nodeIdempotency: Peer = guarded(
  {
    name: 'node-idempotency',
    version: `${version}, storage-adapter-redis ${versionOf('@node-idempotency/storage-adapter-redis')}`,
    promises: 'one execution while the record lives, 409 while it runs, replay after; records in Redis',
    configuration,
    durable: false,
  },
  async (things, { redis, lockMs }) => {
    const storage = new RedisStorageAdapter({ url: redis as string });
    await storage.connect();
    return { ...around(things, storage, lockMs), close: () => storage.disconnect() };
  },
);

export const nodeIdempotencyMemory: Peer = guarded(
  {
    name: 'node-idempotency-memory',
    version: `${version}, storage-adapter-memory ${versionOf('@node-idempotency/storage-adapter-memory')}`,
    promises: 'the same within one process; records in its memory',
    configuration,
    durable: false,
  },
  async (things, { lockMs }) => around(things, new MemoryStorageAdapter() as unknown as Storage, lockMs),
);

function around(things: Things, storage: Storage, lockMs: number | undefined): Guard {
  const idempotency = new Idempotency(storage, lockMs === undefined ? {} : { cacheTTLMS: lockMs });
  return {
    async run(key, input) {
      const request = {
        method: 'POST',
        path: '/things',
        headers: key === undefined ? {} : { 'idempotency-key': key },
        body: input as ThingInput & Record<string, unknown>,
      };
      try {
        const seen = await idempotency.onRequest<Answer['body'], unknown>(request);
        if (seen) return { status: seen.additional?.status as number, body: seen.body };
      } catch (error) {
        if (error instanceof IdempotencyError) return refusal(error);
        throw error;
      }
      const answer = await things.create(input).then(
        (body): Answer => ({ status: 201, body }),
        (error: unknown): Answer => ({ status: 500, body: { message: String(error) } }),
      );
      await idempotency.onResponse(request, { body: answer.body, additional: { status: answer.status } });
      return answer;
    },
  };
}

/** As its own HTTP plugins answer. */
const STATUSES: Record<IdempotencyErrorCodes, number> = {
  REQUEST_IN_PROGRESS: 409,
  IDEMPOTENCY_FINGERPRINT_MISSMATCH: 422,
  IDEMPOTENCY_KEY_MISSING: 400,
  IDEMPOTENCY_KEY_LEN_EXEEDED: 400,
};

function refusal({ code, message }: IdempotencyError): Answer {
  return { status: STATUSES[code], body: { message } };
}
