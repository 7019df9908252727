import type { Backlog, QueuedWork, QueueStore, StartResult, Store, Stranded } from '@semel/server/store';
import type pg from 'pg';
import type { Row } from '../connections/flight.ts';
import type { Lines } from '../connections/lines.ts';
import type { Control } from '../connections/pools.ts';
import type { Statements } from '../statements/all.ts';
import { claimOn, sightingFromRow } from '../statements/record.ts';

/** Everything of queued work that is one statement. */
export function createQueue(
  control: Control,
  lines: Lines,
  statements: Statements,
  { find, lookup }: Pick<Store, 'find' | 'lookup'>,
): Omit<QueueStore<pg.ClientBase>, 'enqueue'> {
  return {
    async start({ operationId, owner, trace }): Promise<StartResult> {
      const values = [operationId, owner, trace.actor, trace.traceId ?? null];
      const [row] = await control.run([statements.start, values]);
      if (row !== undefined) return startedFromRow(row);
      const [seen] = await lines.read(statements.started, [operationId]);
      if (seen === undefined) return { kind: 'absent' };
      const now = sightingFromRow(seen);
      if (now.record.policy.mode !== 'queued') return { kind: 'absent' };
      const { state } = now.record;
      // Started before by this very delivery: its acknowledgement got lost.
      if (state === 'processing' && now.record.owner === owner) return startedFromRow(seen);
      // It may have become so, or due, since it was asked: then its job comes again a little later.
      if (state === 'accepted') return { kind: 'early', dueInMs: Math.max(0, (seen[9] as number) - now.now) };
      return { kind: 'not_now', ...now };
    },

    async work(operationId) {
      const [row] = await lines.read(statements.work, [operationId]);
      if (row === undefined) return undefined;
      return {
        ...workFromRow(row),
        dueAt: row[3] as number,
        ...(row[4] === null ? undefined : { lastError: row[4] as string }),
      };
    },

    async recordProgress(claim, value) {
      const { operationId, owner, attempt } = claim;
      const [row] = await control.run([statements.recordProgress, [operationId, owner, attempt, value]]);
      if (row?.[0] === true) return { kind: 'recorded' };
      const now = (await find(operationId)) ?? (await lookup(claim));
      // A late word about progress is no evidence of anything: it is refused and not kept.
      const { state, attempt: by } = now?.record ?? { state: 'released' as const, attempt: 0 };
      return { kind: 'overtaken', by: { state, attempt: by } };
    },

    async progress(operationId) {
      const [row] = await lines.read(statements.progress, [operationId]);
      if (row === undefined) return undefined;
      return { value: row[0] as string, attempt: row[1] as number, at: row[2] as number };
    },

    async stranded({ limit, graceMs, after }) {
      const values = [limit, graceMs, after?.dueAt ?? null, after?.operationId ?? null];
      const rows = await control.run([statements.stranded, values]);
      return rows.map(([operationId, scope, procedure, state, version, dueAt]) => ({
        operationId: operationId as string,
        scope: scope as string,
        procedure: procedure as string,
        state: state as Stranded['state'],
        version: version as number,
        dueAt: dueAt as number,
      }));
    },

    async backlog() {
      const rows = await control.run([statements.backlog, []]);
      return rows.map(([procedure, state, count, oldestMs]) => ({
        procedure: procedure as string,
        state: state as Backlog['state'],
        count: count as number,
        oldestMs: oldestMs as number,
      }));
    },
  };
}

/** Record with identity (five columns), work (three), cause. */
function startedFromRow(row: Row): StartResult {
  const cause = row[8] === 'overtaken' ? 'overtaken' : 'started';
  return { kind: 'started', claim: claimOn(sightingFromRow(row)), work: workFromRow(row.slice(5)), cause };
}

function workFromRow([principal, input, deadLetterOwner]: Row): QueuedWork {
  return {
    principal: principal as string,
    input: input as string,
    ...(typeof deadLetterOwner === 'string' && { deadLetterOwner }),
  };
}
