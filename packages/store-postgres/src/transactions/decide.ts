import { randomBytes } from 'node:crypto';
import { type Decided, type DecisionStore, type Store, StoreUnavailable } from '@semel/server/store';
import type pg from 'pg';
import { unavailable } from '../connections/failures.ts';
import type { Row } from '../connections/flight.ts';
import type { Control } from '../connections/pools.ts';
import { isAsSeen, type Refusal, refusalOf } from '../control/refusal.ts';
import type { Statements } from '../statements/all.ts';
import { sightingFromRow } from '../statements/record.ts';
import type { Around, Ended } from './around.ts';
import { afterLostDecision } from './lost-commit.ts';

/** For each statement of a resolver, and for what it does between two: it may ask another service. */
const RESOLVE_TIMEOUT_MS = 30_000;
const SEND_TIMEOUT_MS = 5_000;

interface Parts {
  readonly around: Around;
  readonly control: Control;
  readonly statements: Statements;
  readonly find: Store['find'];
}

/** The decisions with which somebody's code commits: under the record's lock from the first flight to COMMIT. */
export function createDeciding({
  around,
  control,
  statements,
  find,
}: Parts): Pick<DecisionStore<pg.ClientBase>, 'resolve' | 'redrive'> {
  async function outcomeOf(
    operationId: string,
    token: string,
    ended: Ended,
    rules: Refusal,
  ): Promise<Decided> {
    switch (ended.kind) {
      case 'committed':
        return { kind: 'done', record: sightingFromRow(recordIn(ended)).record };
      case 'undone':
        return { kind: 'undecided' };
      case 'refused':
        return refusalOf(await find(operationId), rules);
      case 'lost': {
        const became = await afterLostDecision(control, statements, operationId, token);
        const now = became === 'committed' ? await find(operationId) : undefined;
        if (now !== undefined) return { kind: 'done', record: now.record };
        if (became === 'rolled back') throw unavailable(ended.cause);
        throw new StoreUnavailable(
          'it is not known whether the decision was written: look at the operation',
          { cause: ended.cause },
        );
      }
    }
  }

  return {
    async resolve(operationId, body, { actor, reason, traceId, version }) {
      const token = newToken();
      const ended = await around({
        operationId,
        first: [statements.lockToDecide, [operationId]],
        timeoutMs: RESOLVE_TIMEOUT_MS,
        allows(row) {
          const { record } = sightingFromRow(row);
          return isAsSeen(record, version) && isUndecided(record.state);
        },
        async body(tx, row) {
          const { record } = sightingFromRow(row);
          const resolution = await body(tx, record);
          if (resolution === undefined) return undefined;
          const { to, outcome } = resolution;
          const before = [operationId, record.state, record.version];
          const decision = [actor, reason, traceId ?? null, token];
          return (transactionId) => [
            statements.resolve,
            [...before, to, outcome, ...decision, transactionId],
          ];
        },
      });
      return outcomeOf(operationId, token, ended, { isBoundByWindow: () => false });
    },

    async redrive(operationId, { grantAttempts }, send, { actor, reason, traceId, version }) {
      const token = newToken();
      const decision = [actor, reason, traceId ?? null, token, version ?? null];
      const ended = await around({
        operationId,
        first: [statements.redrive, [operationId, grantAttempts, ...decision]],
        timeoutMs: SEND_TIMEOUT_MS,
        async body(tx, row) {
          await send(tx, sightingFromRow(row).record);
          return (transactionId) => [statements.requireTransaction, [transactionId]];
        },
      });
      const rules: Refusal = {
        isBoundByWindow: (record) =>
          isAsSeen(record, version) && record.policy.mode === 'queued' && isUndecided(record.state),
      };
      return outcomeOf(operationId, token, ended, rules);
    },
  };
}

/** What the last statement answered, if it answered with the record: it is the one that changed it. */
const recordIn = ({ first, last }: Extract<Ended, { kind: 'committed' }>): Row =>
  last === undefined || last.length < 7 ? first : last.slice(2);

const isUndecided = (state: string): boolean => state === 'suspended' || state === 'dead';

/** Made for one call: what its decision is recognised by. */
export const newToken = (): string => randomBytes(16).toString('base64url');
