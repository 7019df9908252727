import {
  IdempotencyAlreadyInProgressError,
  IdempotencyConfig,
  IdempotencyItemAlreadyExistsError,
  makeIdempotent,
} from '@aws-lambda-powertools/idempotency';
import { CachePersistenceLayer } from '@aws-lambda-powertools/idempotency/cache';
import { createClient } from '@redis/client';
import type { ThingInput } from '../things.ts';
import { guarded } from './guarded.ts';
import type { Answer, Peer } from './peer.ts';
import { versionOf } from './version-of.ts';

const version = `@aws-lambda-powertools/idempotency ${versionOf('@aws-lambda-powertools/idempotency')}, @redis/client ${versionOf('@redis/client')}`;
const CONFIGURATION =
  'CachePersistenceLayer, makeIdempotent, eventKeyJmesPath on the key; no payloadValidationJmesPath (with this layer each replay would fail, its issue 5705)';

/** As a Lambda runs it: the context says how long this invocation may still take. 30 s is what API Gateway gives one. */
export const powertools: Peer = powertoolsPeer({
  name: 'powertools',
  promises: 'one execution within an hour, an error while it runs, replay after; records in Redis',
  configuration: `${CONFIGURATION}; a Lambda context with 30 s left`,
  contextMs: 30_000,
});

/** As any other server would use it, by its documentation of makeIdempotent for arbitrary functions. */
export const powertoolsWithoutContext: Peer = powertoolsPeer({
  name: 'powertools-without-context',
  promises: 'as powertools, but nothing says when an execution is over: a live one counts as orphaned',
  configuration: `${CONFIGURATION}; no Lambda context`,
  contextMs: undefined,
});

function powertoolsPeer({
  name,
  promises,
  configuration,
  contextMs,
}: {
  name: string;
  promises: string;
  configuration: string;
  contextMs: number | undefined;
}): Peer {
  return guarded(
    { name, version, promises, configuration, durable: false },
    async (things, { redis, lockMs }) => {
      const client = await createClient({ url: redis as string }).connect();
      const create = makeIdempotent(
        async (event: { key: string | undefined; input: ThingInput }, _context?: unknown) => ({
          ...(await things.create(event.input)),
        }),
        {
          persistenceStore: new CachePersistenceLayer({ client: client as never }),
          config: new IdempotencyConfig({ eventKeyJmesPath: '"key"' }),
          keyPrefix: name,
        },
      );
      const context =
        contextMs === undefined ? [] : [{ getRemainingTimeInMillis: () => lockMs ?? contextMs }];
      return {
        run: (key, input) =>
          (create as (...args: unknown[]) => Promise<unknown>)({ key, input }, ...context).then(
            (body): Answer => ({ status: 201, body }),
            refusal,
          ),
        close: async () => client.destroy(),
      };
    },
  );
}

function refusal(error: unknown): Answer {
  if (
    error instanceof IdempotencyAlreadyInProgressError ||
    error instanceof IdempotencyItemAlreadyExistsError
  ) {
    return { status: 409, body: { message: error.message } };
  }
  throw error;
}
