import type {
  Decided,
  DecisionRecord,
  DecisionStore,
  OperationFilter,
  OperationPage,
  Store,
} from '@semel/server/store';
import type pg from 'pg';
import type { Query } from '../connections/flight.ts';
import type { Lines } from '../connections/lines.ts';
import type { Control } from '../connections/pools.ts';
import type { Statements } from '../statements/all.ts';
import { sightingFromRow } from '../statements/record.ts';
import { newToken } from '../transactions/decide.ts';
import { isAsSeen, type Refusal, refusalOf } from './refusal.ts';

type Undecided = Omit<DecisionStore<pg.ClientBase>, 'resolve' | 'redrive'>;

/** Decisions that are one statement each, and what there is to decide. */
export function createDecisions(
  control: Control,
  lines: Lines,
  statements: Statements,
  find: Store['find'],
): Undecided {
  /** Its acknowledgement may have got lost, and `control` has asked again: then the decision bears our token. */
  async function decide(operationId: string, token: string, query: Query, rules: Refusal): Promise<Decided> {
    const [row] = await control.run(query);
    if (row !== undefined) return { kind: 'done', record: sightingFromRow(row).record };
    const found = await find(operationId);
    if (found === undefined) return { kind: 'absent' };
    const [made] = await lines.read(statements.decidedBy, [operationId, token]);
    return made === undefined ? refusalOf(found, rules) : { kind: 'done', record: found.record };
  }

  return {
    async release(operationId, { actor, reason, traceId, version }) {
      const token = newToken();
      const values = [operationId, actor, reason, traceId ?? null, token, version ?? null];
      return decide(operationId, token, [statements.release, values], {
        isBoundByWindow: (record) =>
          isAsSeen(record, version) && record.policy.mode === 'leased' && record.state === 'suspended',
      });
    },

    async cancel(operationId, outcome, { actor, reason, traceId, version }) {
      const token = newToken();
      const values = [operationId, outcome, actor, reason, traceId ?? null, token, version ?? null];
      return decide(operationId, token, [statements.cancel, values], { isBoundByWindow: () => false });
    },

    async offer({ limit, everyMs, procedures }) {
      const rows = await control.run([statements.offer, [limit, everyMs, procedures ?? null]]);
      return rows.map((row) => sightingFromRow(row).record);
    },

    async undecided(operationId) {
      const [row] = await lines.read(statements.undecided, [operationId]);
      if (row === undefined) return undefined;
      const [offeredAt, lastError] = row as [number | null, string | null];
      return {
        ...(offeredAt !== null && { offeredAt }),
        ...(lastError !== null && { lastError }),
      };
    },

    async list(filter) {
      // One more than asked for, to know whether there is a next page.
      const rows = await control.run(listing(filter));
      const now = rows[0]?.[0] as number;
      const all = rows.filter(([, packed]) => packed !== null);
      const operations = all.slice(0, filter.limit).map((row): OperationPage['operations'][number] => {
        const [lastError, deadLetterOwner] = row.slice(6) as (string | null)[];
        return {
          ...sightingFromRow(row.slice(1, 6)).record,
          ...(typeof lastError === 'string' && { lastError }),
          ...(typeof deadLetterOwner === 'string' && { deadLetterOwner }),
        };
      });
      const last = operations.at(-1);
      return {
        operations,
        now,
        ...(all.length > filter.limit && last && { next: last.operationId }),
      };
    },

    async decisions(operationId) {
      const rows = await lines.read(statements.decisions, [operationId]);
      return rows.map(([seq, action, at, actor, reason, traceId]) => ({
        operationId,
        seq: seq as number,
        action: action as DecisionRecord['action'],
        at: at as number,
        actor: actor as string,
        reason: reason as string,
        ...(traceId === null ? undefined : { traceId: traceId as string }),
      }));
    },
  };

  /** The narrowest of the walks that meets every operation of the filter. */
  function listing({ states, procedure, scope, limit, after }: OperationFilter): Query {
    const values = [states ?? null, procedure ?? null, after ?? '', limit + 1];
    const only = (...some: string[]) => states?.every((state) => some.includes(state)) === true;
    if (only('suspended', 'dead') && scope === undefined) return [statements.listUndecided, values];
    if (only('accepted') && scope === undefined) return [statements.listAccepted, values];
    return scope === undefined ? [statements.listAll, values] : [statements.listScope, [...values, scope]];
  }
}
