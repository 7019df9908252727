import type { OperationState, TransitionCause } from '@semel/contract/v1/pure';
import type { RejectedTransition, Store, Transition } from '@semel/server/store';
import type pg from 'pg';
import { type BatchingOptions, createWrites } from './batching/writes.ts';
import { connectionConfig } from './connections/config.ts';
import { createSend } from './connections/flight.ts';
import { createLines } from './connections/lines.ts';
import { createControl, createPool } from './connections/pools.ts';
import { createClaims } from './control/claims.ts';
import { createDecisions } from './control/decisions.ts';
import { createFence } from './control/fence.ts';
import { createRenew } from './control/leases.ts';
import { createPurges } from './control/purges.ts';
import { createQueue } from './control/queue.ts';
import { createSweeps } from './control/sweeps.ts';
import { schemaName } from './schema-name.ts';
import { statementsFor } from './statements/all.ts';
import { sightingFromRow } from './statements/record.ts';
import { createAround } from './transactions/around.ts';
import { createAtomically } from './transactions/atomically.ts';
import { createDeciding } from './transactions/decide.ts';
import { createEnqueue } from './transactions/enqueue.ts';
import { savepoint } from './transactions/savepoint.ts';
import { createTransact } from './transactions/transact.ts';

/** Statements of the store itself are short: an answer that doesn't come means a connection that has died. */
const QUERY_TIMEOUT_MS = 10_000;

export type { BatchingOptions };

export interface PostgresStoreOptions {
  /**
   * A URL or what `pg.Pool` takes. `connectionTimeoutMillis` (default here: 2 s) bounds both connecting and waiting
   * for a free connection; passing it is `StoreUnavailable`. `query_timeout` (default here: 10 s, for the store's own
   * statements) bounds how long an answer may fail to come. `max` is ignored in favour of the three below.
   */
  readonly connection: string | pg.PoolConfig;
  /** The schema that `migratePostgres` made. @default 'semel' */
  readonly schema?: string;
  /**
   * Connections for `atomically` and `transact`: how many handlers write at once. At most as many again are opened to find
   * out about lost COMMITs. @default 10
   */
  readonly handlerConnections?: number;
  /** Connections for claims, renewals, steps, settlements and sweeps; handlers can't exhaust them. @default 4 */
  readonly controlConnections?: number;
  /** Connections that all look-ups share, several in flight on each. @default 2 */
  readonly lookupConnections?: number;
  /**
   * Claims, settlements and recovery points of many callers share statements and commits while more of them come than
   * `controlConnections` can carry. No call waits for company, and none fails for another's sake. `false` gives each a
   * statement of its own. @default { maxRows: 64 }
   */
  readonly batching?: BatchingOptions | false;
  /** Turn off behind a pooler in transaction mode that doesn't carry them (PgBouncer before 1.21). @default true */
  readonly preparedStatements?: boolean;
  /** Told of connections that broke while nobody waited for an answer. Never throws into the store. @default ignored */
  readonly onError?: (error: unknown) => void;
}

/**
 * A store of record in Postgres 14 or newer. Handlers get a `pg` client inside the transaction that also carries the
 * record; see README.md for what that guarantees and what it doesn't.
 *
 * Opens nothing before the first call. Keeps no state in sessions: works behind PgBouncer in transaction mode.
 */
export function createPostgresStore(options: PostgresStoreOptions): Store<pg.ClientBase> {
  const {
    handlerConnections = 10,
    controlConnections = 4,
    lookupConnections = 2,
    preparedStatements = true,
  } = options;
  const schema = schemaName(options.schema ?? 'semel');
  const config = connectionConfig(options.connection);
  const onError = (error: unknown) => {
    try {
      options.onError?.(error);
    } catch {
      // A listener's own failure must not end the process from inside an event.
    }
  };
  const send = createSend(preparedStatements, config.query_timeout ?? QUERY_TIMEOUT_MS);
  const statements = statementsFor(schema);

  const pool = createPool(config, handlerConnections, onError);
  const control = createControl(createPool(config, controlConnections, onError), send);
  // Finding out what became of a COMMIT may wait for locks: of as many as can be lost at once none may hold up a renewal.
  const aftermath = createControl(createPool(config, handlerConnections, onError), send);
  const lines = createLines(config, lookupConnections, send, onError);

  const lookup: Store['lookup'] = async (identity) => {
    const [row] = await lines.read(statements.lookup, [identity.scope, identity.procedure, identity.key]);
    return row && sightingFromRow(row, identity);
  };
  const find: Store['find'] = async (operationId) => {
    const [row] = await lines.read(statements.find, [operationId]);
    return row && sightingFromRow(row);
  };
  const steps: Store['steps'] = async (operationId) => {
    const rows = await lines.read(statements.steps, [operationId]);
    return rows.map(([name, kind, fingerprint, result, attempt]) => ({
      name: name as string,
      kind: kind as 'step' | 'transaction',
      fingerprint: fingerprint as string,
      result: result as string,
      attempt: attempt as number,
    }));
  };
  const reads = { lookup, find, steps };
  const writes = createWrites(control, statements, options.batching ?? {}, {
    connections: controlConnections,
    maxWaitMs: config.connectionTimeoutMillis ?? 0,
  });
  const fence = createFence(control, statements, writes, reads);
  const around = createAround({ pool, control, send, statements });
  let closing: Promise<void> | undefined;

  return {
    capabilities: { transactions: true, durable: true, shared: true },
    ...reads,
    ...createClaims(control, statements, writes, lookup),
    settle: fence.settle,
    renew: createRenew(control, statements, lines),
    recordStep: fence.recordStep,
    recordRejected: fence.recordRejected,
    transact: createTransact({ pool, control: aftermath, send, statements, fence, reads }),
    atomically: createAtomically({ schema, pool, control: aftermath, send, statements, lookup }),
    savepoint,
    queue: {
      enqueue: createEnqueue(around, statements, lookup),
      ...createQueue(control, lines, statements, reads),
    },
    decisions: {
      ...createDeciding({ around, control: aftermath, statements, find }),
      ...createDecisions(control, lines, statements, find),
    },
    ...createSweeps(control, statements),
    ...createPurges(control, lines, statements),

    async history(operationId) {
      const rows = await lines.read(statements.history, [operationId]);
      return rows.map(
        ([seq, from, to, attempt, at, cause, actor, traceId]): Transition => ({
          seq: seq as number,
          from: from as OperationState | null,
          to: to as OperationState,
          attempt: attempt as number,
          at: at as number,
          cause: cause as TransitionCause,
          actor: actor as string,
          ...(traceId === null ? undefined : { traceId: traceId as string }),
        }),
      );
    },
    async rejected(operationId) {
      const rows = await lines.read(statements.rejected, [operationId]);
      return rows.map(
        (row): RejectedTransition => ({
          operationId: row[0] as string,
          storedState: row[1] as OperationState,
          storedAttempt: row[2] as number,
          attemptedState: row[3] as OperationState | 'step',
          attemptedAttempt: row[4] as number,
          actor: row[5] as string,
          ...(row[6] === null ? undefined : { traceId: row[6] as string }),
          ...(row[7] === null ? undefined : { evidence: row[7] as string }),
          count: row[8] as number,
          firstAt: row[9] as number,
          lastAt: row[10] as number,
        }),
      );
    },
    async ping() {
      await lines.read(statements.ping, []);
    },
    close() {
      closing ??= Promise.all([pool.end(), control.close(), aftermath.close(), lines.close()]).then(
        () => undefined,
      );
      return closing;
    },
  };
}
