import type { Queryable } from '../database/pool.ts';
import type { Authentication } from './authenticate.ts';
import type { Role } from './roles.ts';

/**
 * What a tenant may do now, for work that it asked for earlier: the roles of all its keys that haven't been revoked. A tenant
 * whose last key is gone is unknown, and its queued work is refused like a call of its own would be.
 */
export async function authenticateTenant(db: Queryable, tenantId: string): Promise<Authentication> {
  try {
    const { rows } = await db.query<{ roles: readonly Role[] }>(
      'SELECT roles FROM access.api_key WHERE tenant_id = $1 AND revoked_at IS NULL',
      [tenantId],
    );
    if (rows.length === 0) return { kind: 'unknown' };
    const roles = [...new Set(rows.flatMap((row) => row.roles))];
    return { kind: 'known', principal: { keyId: '(worker)', tenantId, roles } };
  } catch (cause) {
    return { kind: 'unavailable', cause };
  }
}
