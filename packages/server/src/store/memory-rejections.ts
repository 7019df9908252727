import type { RejectedTransition } from './port.ts';

export type Rejection = Omit<RejectedTransition, 'count' | 'firstAt' | 'lastAt'>;

/** What one operation's late owners may leave; beyond that only the counts of what is known go on. */
const MAX_PER_OPERATION = 100;

/**
 * Refused transitions, apart from the accepted ones. Two are the same when edge, actor and evidence are: a late owner
 * that asks again only counts, one that brings another result leaves another row.
 */
export function createRejections(clock: () => number, maxOperations: number) {
  const byOperation = new Map<string, RejectedTransition[]>();

  return {
    add(rejection: Rejection): void {
      const now = clock();
      const rows = byOperation.get(rejection.operationId) ?? [];
      const index = rows.findIndex((row) => isRepetition(row, rejection));
      const known = rows[index];
      if (known !== undefined) rows[index] = { ...known, count: known.count + 1, lastAt: now };
      else if (rows.length < MAX_PER_OPERATION)
        rows.push({ ...rejection, count: 1, firstAt: now, lastAt: now });
      if (rows.length === 1) byOperation.set(rejection.operationId, rows);
      if (byOperation.size > maxOperations) byOperation.delete(byOperation.keys().next().value ?? '');
    },
    of(operationId: string): readonly RejectedTransition[] {
      return [...(byOperation.get(operationId) ?? [])];
    },
    /** What late owners brought; that they came stays. */
    eraseEvidence(operationId: string): void {
      const rows = byOperation.get(operationId);
      rows?.forEach((row, index) => {
        const { evidence, ...kept } = row;
        if (evidence !== undefined) rows[index] = kept;
      });
    },
    delete(operationId: string): void {
      byOperation.delete(operationId);
    },
  };
}

function isRepetition(a: RejectedTransition, b: Rejection): boolean {
  return (
    a.attemptedState === b.attemptedState &&
    a.attemptedAttempt === b.attemptedAttempt &&
    a.storedState === b.storedState &&
    a.storedAttempt === b.storedAttempt &&
    a.actor === b.actor &&
    a.evidence === b.evidence
  );
}
