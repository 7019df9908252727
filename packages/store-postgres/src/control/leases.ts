import type { Claim, Store } from '@semel/server/store';
import { begin, COMMIT } from '../connections/flight.ts';
import type { Lines } from '../connections/lines.ts';
import type { Control } from '../connections/pools.ts';
import type { Statements } from '../statements/all.ts';

const named = (operationId: unknown, attempt: unknown): string => `${String(operationId)} ${String(attempt)}`;

/** How long a renewal waits for a row that somebody is just writing. */
const LOCK_TIMEOUT_MS = '1000';

export function createRenew(control: Control, statements: Statements, lines: Lines): Store['renew'] {
  const values = (claims: readonly Claim[]) => [
    claims.map((claim) => claim.operationId),
    claims.map((claim) => claim.owner),
    claims.map((claim) => claim.attempt),
  ];

  return async function renew(claims) {
    if (claims.length === 0) return [];
    const rows = await control.run([statements.renew, values(claims)]);
    // By attempt: an older one of the same operation may still be asking in the same process.
    const renewed = new Set(rows.map(([operationId, attempt]) => named(operationId, attempt)));
    const left = claims.filter((claim) => !renewed.has(named(claim.operationId, claim.attempt)));
    if (left.length > 0) for (const name of await retry(left)) renewed.add(name);
    return claims.map(({ operationId, attempt }) => ({
      operationId,
      attempt,
      renewed: renewed.has(named(operationId, attempt)),
    }));
  };

  /** Overtaken, or only locked: a step or a settlement of this very attempt may be in its last flight. */
  async function retry(left: readonly Claim[]): Promise<Iterable<string>> {
    const held = new Set(
      (await lines.read(statements.holders, values(left))).map(([operationId, attempt]) =>
        named(operationId, attempt),
      ),
    );
    const locked = left.filter((claim) => held.has(named(claim.operationId, claim.attempt)));
    if (locked.length === 0) return [];
    const { answers, error } = await control.fly(
      begin(),
      [statements.setLockTimeout, [LOCK_TIMEOUT_MS]],
      [statements.renewLocked, values(locked)],
      COMMIT,
    );
    const rows = answers[2]?.rows;
    if (error === undefined && rows) return rows.map(([operationId, attempt]) => named(operationId, attempt));
    // Still locked and, as far as anybody can see, still held: not overtaken. The next renewal asks again.
    return held;
  }
}
